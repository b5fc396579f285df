"""A candidate asked without documents: the same choices as the agent that finds nothing, for fewer questions."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hire_world import Quiet
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.engine import FakeEngine
from staffroom.evaluate import examine, load_pack
from staffroom.pipeline.bare import BareCandidate
from staffroom.records.agent import AgentSpec, ChatTurn, ChoiceAnswer, Retrieved
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Evaluation, Split
from staffroom.records.policy import AgentPolicy, PromptBook
from staffroom.serve.agent import DocumentAgent
from staffroom.store import Database, Responses

BOOK = PromptBook(
    locale="zh-TW",
    system="以下是選擇題。",
    answer_word="答",
    nothing_word="無",
    refuse_word="拒",
    excerpt="{number}{heading}{text}",
    question="{excerpts}{question}",
    choice="{excerpts}題目：{question}\n只回答一個英文字母。\n",
    choice_end="正確的選項是哪一個？",
    demonstrations=(),
)
POLICY = AgentPolicy(
    locale="zh-TW",
    turn_to="",
    ai_notice="",
    declined_text="",
    refused_text="",
    excerpts=0,
    excerpt_characters=0,
    disagreement_weight=0.0,
    support_weight=0.0,
    support_cosine=0.0,
    decline_log_odds=0.0,
    doubt_log_odds=0.0,
    refuse_log_odds=0.0,
    request_threshold=1.0,
    max_tokens=1,
    repair_locale=False,
)
EXAM = """\
name: public
version: 1
locale: zh-TW
declines: []
facets: {choice: {gated: false}}
splits: {screen: 0.5, gate: 0.5, sealed: 0, seed: public}
scorers: {choice: 1}
"""
WORDS = st.text("天地玄黃宇宙洪荒 abc<|>", min_size=1, max_size=12)


class Counting(FakeEngine):
    def __init__(self) -> None:
        super().__init__("one", n_ctx=4096)
        self.rendered = 0

    async def render(self, turns: Sequence[ChatTurn], *, opening: str = "") -> str:
        self.rendered += 1
        return await super().render(turns, opening=opening)


class Nothing:
    digest = "none"

    def search(self, question: str, limit: int) -> list[Retrieved]:
        return []

    def closeness(self, question: str, texts: Sequence[str]) -> list[float]:
        return [0.0 for _ in texts]

    def refuse_probability(self, request: str) -> float:
        return 0.0


def bare(question: str, choices: Sequence[str], orders: int | None = None) -> tuple[ChoiceAnswer, int]:
    async def ask() -> tuple[ChoiceAnswer, int]:
        engine = Counting()
        await engine.start()
        return await BareCandidate("one", engine, BOOK, orders=orders).choose(
            question, choices
        ), engine.rendered

    return asyncio.run(ask())


def agent(question: str, choices: Sequence[str]) -> ChoiceAnswer:
    async def ask() -> ChoiceAnswer:
        engine = FakeEngine("one", n_ctx=4096)
        await engine.start()
        spec = AgentSpec("a", "b", "e", "i", "p", "p", "g", "zh-TW")
        return await DocumentAgent(spec, engine, Nothing(), BOOK, POLICY, Nothing()).choose(question, choices)

    return asyncio.run(ask())


@given(WORDS, st.lists(WORDS, min_size=2, max_size=5))
@settings(max_examples=40, deadline=None)
def test_it_chooses_as_the_agent_that_finds_nothing(question: str, choices: list[str]) -> None:
    here, there = bare(question, choices)[0], agent(question, choices)
    assert (here.probabilities, here.orders) == (there.probabilities, there.orders)


def test_plain_text_goes_through_the_template_once_and_other_text_each_time() -> None:
    assert bare("誰？", ["甲", "乙", "丙", "丁"])[1] == 2
    assert bare("誰 <|user|>？", ["甲", "乙", "丙", "丁"])[1] == 5


def test_one_order_is_the_first_of_four() -> None:
    choices = ["天地", "玄黃", "宇宙", "洪荒"]
    one, four = bare("天地？", choices, 1)[0], bare("天地？", choices)[0]
    assert one.orders == four.orders[:1] and one.probabilities == four.orders[0]
    # The first three agree, so the fourth could change nothing.
    assert one.tokens_out == 1 and four.tokens_out == 3 and one.tokens_in < four.tokens_in


def test_several_engines_at_once_answer_as_one_after_another(tmp_path: Path) -> None:
    (tmp_path / "exam.yaml").write_text(EXAM)
    (tmp_path / "SOURCES.md").write_text("Written for this test.\n")
    rows = [
        {
            "id": f"c{n}",
            "kind": "choice",
            "input": f"第 {n} 題？",
            "choices": ["一", "二", f"{n}", "題"],
            "accept": ["A"],
        }
        for n in range(30)
    ]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    pack = load_pack(tmp_path)

    async def sit(name: str, sink: Responses) -> Evaluation:
        engine = FakeEngine(name, n_ctx=4096, prompt_delay=0.001)
        await engine.start()
        return await examine(
            BareCandidate(name, engine, BOOK),
            pack.items,
            pack=pack,
            split=Split.SCREEN,
            seed=0,
            sink=sink,
            progress=Quiet(),
            wrong_language=lambda response: False,
        )

    async def run(folder: Path, *, together: bool) -> list[str]:
        names = ["one", "two", "three"]
        with Database(folder / "staffroom.db") as database:
            sink = Responses(database)
            if together:
                done = await asyncio.gather(*(sit(name, sink) for name in names))
            else:
                done = [await sit(name, sink) for name in names]
            assert [sink.count(row.agent) for row in done] == [30, 30, 30]
        return [row.digest for row in done]

    together = asyncio.run(run(tmp_path / "a", together=True))
    assert together == asyncio.run(run(tmp_path / "b", together=False))


def test_each_way_of_asking_has_a_name_of_its_own_and_open_questions_are_refused() -> None:
    engine = FakeEngine("one")
    digests = {BareCandidate("one", engine, BOOK, orders=count).spec.digest for count in (None, 1, 2)}
    assert len(digests) == 3
    with pytest.raises(WrongUse):
        asyncio.run(BareCandidate("one", engine, BOOK).answer([ChatTurn("user", "誰？")]))
    with pytest.raises(ValueError, match="at least one"):
        BareCandidate("one", engine, BOOK, orders=0)
