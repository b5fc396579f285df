"""A candidate's odds are counted from the middle between questions whose verdict is known."""

import asyncio
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_engine import Guard, ScriptedEngine, Shelf, agent, job

from staffroom.onboard.prompt import agent_policy, prompt_book, verdict_probes
from staffroom.records.agent import AgentSpec, ChatTurn, Outcome
from staffroom.records.policy import VerdictProbe
from staffroom.serve.agent import DocumentAgent
from staffroom.serve.leaning import Leaning, measure_leaning
from staffroom.serve.verdict import VerdictOdds

PROBES = (
    VerdictProbe("甲", "甲一", "甲二", "甲三"),
    VerdictProbe("乙", "乙一", "乙二", "乙三"),
)
ODDS = st.floats(-20, 20)


@dataclass
class Judge:
    """Gives written odds, shifted by how much it leans."""

    nothing: float = 0.0
    refuse: float = 0.0
    seen: bool = True

    async def verdict(self, excerpts: str, question: str) -> VerdictOdds:
        if not self.seen:
            return VerdictOdds(0.0, 0.0, False)
        nothing, refuse = {"一": (-3.0, -9.0), "二": (1.0, -7.0), "三": (0.0, 4.0)}[question[-1]]
        return VerdictOdds(nothing + self.nothing, refuse + self.refuse, True)


@given(ODDS, ODDS)
def test_a_leaning_moves_the_middles_and_nothing_else(nothing: float, refuse: float) -> None:
    told: list[int] = []
    plain = asyncio.run(measure_leaning(Judge(), PROBES, lambda: told.append(1)))
    leaning = asyncio.run(measure_leaning(Judge(nothing, refuse), PROBES))
    assert (plain.nothing_middle, plain.refuse_middle) == (-1.0, -2.0) and len(told) == len(PROBES)
    assert leaning.nothing_middle == pytest.approx(plain.nothing_middle + nothing, abs=2e-3)
    assert leaning.refuse_middle == pytest.approx(plain.refuse_middle + refuse, abs=2e-3)
    shifted = VerdictOdds(1.0 + nothing, 4.0 + refuse, True).above(
        leaning.nothing_middle, leaning.refuse_middle
    )
    assert (shifted.nothing, shifted.refuse) == (pytest.approx(2.0, abs=3e-3), pytest.approx(6.0, abs=3e-3))


def test_a_model_without_verdict_words_has_no_leaning_and_declines() -> None:
    leaning = asyncio.run(measure_leaning(Judge(seen=False), PROBES))
    assert leaning == Leaning(0.0, 0.0, 0.0, 0.0)
    assert VerdictOdds(0.0, 0.0, False).above(-5.0, -5.0) == VerdictOdds(0.0, 0.0, False)
    answer = asyncio.run(
        agent(ScriptedEngine({"好": -0.1}), ["停車費每小時三十元。"]).answer([ChatTurn("user", "停車費？")])
    )
    assert answer.outcome is Outcome.DECLINED and "verdict" in answer.reason


@pytest.mark.parametrize("locale", ["zh-TW", "en"])
def test_probes_are_no_demonstrations_and_come_through_the_agents_own_prompt(locale: str) -> None:
    probes, book = verdict_probes(locale), prompt_book(job(locale))
    shown = {demonstration.question for demonstration in book.demonstrations}
    asked = [question for probe in probes for question in (probe.answered, probe.unanswered, probe.refused)]
    assert len(set(asked)) == 3 * len(probes) >= 18 and not shown & set(asked)
    engine = ScriptedEngine({book.answer_word: -0.1, book.nothing_word: -2.0})
    asyncio.run(measure_leaning(agent(engine, ["x"], locale=locale), probes))
    assert len(engine.prompts) == len(asked)
    for probe, prompt in zip(probes, engine.prompts[::3], strict=True):
        assert book.question.format(excerpts=probe.excerpts, question=probe.answered) in prompt


@pytest.mark.parametrize(("middle", "outcome"), [(-4.0, Outcome.DECLINED), (4.0, Outcome.ANSWERED)])
def test_the_same_odds_mean_another_thing_of_another_model(middle: float, outcome: Outcome) -> None:
    asked = job()
    worker = DocumentAgent(
        spec=AgentSpec("w", "b", "e", "i", "p", "q", "g", "zh-TW"),
        engine=ScriptedEngine({"答": -0.5, "無": -0.9}, ["停車費每小時三十元。"]),
        retriever=Shelf(["停車費每小時三十元。"]),
        book=prompt_book(asked),
        policy=replace(agent_policy(asked), nothing_middle=middle),
        guard=Guard(),
    )
    assert asyncio.run(worker.answer([ChatTurn("user", "停車費一小時多少錢？")])).outcome is outcome
