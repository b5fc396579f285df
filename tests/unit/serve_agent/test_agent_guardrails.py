"""The agent behind its guardrails: what the model sees, what is served, and what is on record of it."""

import asyncio

from scripted_engine import ANSWER, ScriptedEngine, Shelf, agent, sure

from staffroom.records.agent import AgentAnswer, ChatTurn, Outcome
from staffroom.records.guardrails import Stage, Verdict
from staffroom.serve.agent import DocumentAgent

RULES = (
    "停車費每小時三十元，每日最高一百八十元。有疑問請洽(02)2345-6789。",
    "承辦人王小明（A123456789）受理身心障礙者免費停車四小時的申請。",
)
YES = sure(ANSWER["zh-TW"])
QUESTION = "停車一小時多少錢？"


def ask(worker: DocumentAgent, question: str = QUESTION, *before: ChatTurn) -> tuple[AgentAnswer, str]:
    heard: list[str] = []
    answer = asyncio.run(worker.answer([*before, ChatTurn("user", question)], on_text=heard.append))
    assert answer.text.startswith("".join(heard).rstrip())
    return answer, "".join(heard)


def ruled(answer: AgentAnswer) -> set[tuple[str, Stage, Verdict, str]]:
    return {(each.guardrail, each.stage, each.verdict, each.reason) for each in answer.rulings}


def test_the_model_sees_neither_the_persons_number_nor_that_of_a_document() -> None:
    engine = ScriptedEngine(YES, ["每小時三十元[1]。"])
    worker = agent(engine, RULES)
    before = (ChatTurn("user", "我是B223456782。"), ChatTurn("assistant", "好的。"))
    answer, _ = ask(worker, "我是A123456789，停車一小時多少錢？", *before)
    seen = "".join([*engine.prompts, *engine.pinned])
    assert (
        "A123456789" not in seen
        and "223456782" not in seen
        and "〔身分證字號已遮蔽〕" in seen
        and "●●●" in seen
    )
    assert isinstance(worker.retriever, Shelf) and "A123456789" not in "".join(worker.retriever.asked)
    assert answer.text == "每小時三十元[1]。"
    assert ruled(answer) == {
        ("identifiers", Stage.INPUT, Verdict.MASK, "national_id"),
        ("identifiers", Stage.RETRIEVAL, Verdict.MASK, "national_id"),
    }


def test_citations_open_at_their_place_and_show_no_identifier() -> None:
    answer, _ = ask(agent(ScriptedEngine(YES, ["承辦人王小明受理免費停車四小時的申請[2]。"]), RULES))
    (citation,) = answer.citations
    assert "A123456789" not in citation.quote and "●" in citation.quote
    document = Shelf(RULES).document
    assert len(document[citation.start : citation.end]) == len(citation.quote)


def test_a_number_of_the_office_is_told_and_one_from_nowhere_is_not() -> None:
    worker = agent(
        ScriptedEngine(YES, ["每小時三十元，請洽(02)2345-6789", "或寫信到x.y@example.com。"]), RULES
    )
    answer, heard = ask(worker)
    assert heard == "每小時三十元，請洽(02)2345-6789或寫信到〔電子郵件已遮蔽〕。"
    assert ("contacts", Stage.OUTPUT, Verdict.MASK, "email") in ruled(answer)


def test_a_forbidden_topic_is_refused_before_any_document_and_ends_an_answer() -> None:
    topics = [{"name": "選舉", "words": ["投票給誰"]}]
    engine = ScriptedEngine(YES, ["每小時三十元。", "該投票給", "誰我也知道。", "還有"])
    worker = agent(engine, RULES, forbidden_topics=topics)
    answer, _ = ask(worker, "我該投票給誰？")
    assert answer.outcome is Outcome.REFUSED and engine.prompts == []
    assert ruled(answer) == {("forbidden_topics", Stage.INPUT, Verdict.BLOCK, "選舉")}
    answer, heard = ask(worker)
    assert heard == "每小時三十元。" and answer.outcome is Outcome.ANSWERED and "選舉" in answer.reason
    assert engine.closed == 1 and ("forbidden_topics", Stage.OUTPUT, Verdict.BLOCK, "選舉") in ruled(answer)
    answer, _ = ask(
        agent(
            ScriptedEngine(YES, ["停車三十元，投票給誰都行。"]),
            RULES,
            forbidden_topics=[{"name": "n", "words": ["三十元"]}],
        )
    )
    assert answer.outcome is Outcome.REFUSED and answer.text.startswith(
        agent(engine, RULES).policy.refused_text
    )


def test_a_quotation_that_nobody_wrote_gives_way_to_one_of_the_excerpts() -> None:
    answer, _ = ask(agent(ScriptedEngine(YES, ["規定是「每小時三十元但假日免費」[1]。"]), RULES))
    assert answer.reason.startswith("quoted, because a quotation")
    assert ("cited_quotations", Stage.OUTPUT, Verdict.BLOCK, "not_in_excerpt") in ruled(answer)
    kept = agent(
        ScriptedEngine(YES, ["規定是「每小時三十元但假日免費」[1]。"]),
        RULES,
        guardrails={"citations": {"quotations": "flag"}},
    )
    answer, heard = ask(kept)
    assert "假日免費" in heard and (
        "cited_quotations",
        Stage.OUTPUT,
        Verdict.FLAG,
        "not_in_excerpt",
    ) in ruled(answer)


def test_what_the_charter_requires_stands_behind_the_citation() -> None:
    phrases = [{"text": "本回答僅供參考。"}]
    answer, heard = ask(agent(ScriptedEngine(YES, ["每小時三十元。"]), RULES, required_phrases=phrases))
    assert (heard, answer.text) == ("每小時三十元。", "每小時三十元。 [1]\n本回答僅供參考。")
    assert ("required_phrases", Stage.OUTPUT, Verdict.MASK, "added") in ruled(answer)


class Judge:
    """A guard model that blocks what has a word."""

    digest = "sha256:judge"

    def __init__(self, word: str) -> None:
        self.word = word
        self.seen: list[tuple[Stage, str]] = []

    async def judge(self, stage: Stage, text: str) -> tuple[Verdict, str]:
        self.seen.append((stage, text))
        return (Verdict.BLOCK, "unsafe") if self.word in text else (Verdict.FLAG, "unsure")


def test_a_guard_model_may_only_add() -> None:
    engine = ScriptedEngine(YES, ["每小時三十元。", "每日最高180元。"])
    judge = Judge("最高")
    answer, heard = ask(agent(engine, RULES, guard_model=judge))
    assert heard == "每小時三十元。" and "guard_model" in answer.reason and engine.closed == 1
    assert [stage for stage, _ in judge.seen] == [Stage.INPUT, Stage.OUTPUT, Stage.OUTPUT]
    assert ("guard_model", Stage.OUTPUT, Verdict.FLAG, "unsure") in ruled(answer)
    answer, _ = ask(agent(engine, RULES, guard_model=Judge("停車")))
    assert answer.outcome is Outcome.REFUSED and answer.retrieved == ()


def test_options_of_an_exam_are_asked_behind_the_same_guardrails() -> None:
    engine = ScriptedEngine({"A": -0.1, "B": -2.5})
    asyncio.run(agent(engine, RULES).choose("A123456789停車多少錢？", ["三十元", "五十元"]))
    assert engine.prompts and not any("A123456789" in prompt for prompt in engine.prompts)
