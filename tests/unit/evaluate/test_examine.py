"""Examining an agent: order, resuming, failures, and what an evaluation adds up to."""

import asyncio
import itertools
from collections.abc import Sequence

import pytest

from staffroom.engine.errors import EngineLost, EngineStartError
from staffroom.evaluate import ExamPack, examine
from staffroom.records.agent import AgentAnswer, AgentSpec, ChatTurn, ChoiceAnswer, Outcome
from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Evaluation, Response, ScoreStatus, Split
from staffroom.records.protocols import TextListener

SPEC = AgentSpec("clerk", "sha256:1", "fake", "sha256:2", "sha256:3", "sha256:4", "sha256:5", "zh-TW")


class Clerk:
    """Answers every choice with B and every question with one text; fails as told."""

    def __init__(
        self, fail: dict[str, int] | None = None, error: Exception | None = None, stop: int = -1
    ) -> None:
        self.fail, self.error, self.stop = dict(fail or {}), error, stop
        self.asked: list[str] = []

    @property
    def spec(self) -> AgentSpec:
        return SPEC

    def _ask(self, question: str) -> None:
        if len(self.asked) == self.stop:
            raise KeyboardInterrupt
        self.asked.append(question)
        if self.error is not None and self.fail.get(question, 0) > 0:
            self.fail[question] -= 1
            raise self.error

    async def answer(
        self, turns: Sequence[ChatTurn], *, seed: int = 0, on_text: TextListener | None = None
    ) -> AgentAnswer:
        self._ask(turns[-1].content)
        return AgentAnswer(
            "文件沒有記載。", "文件没有记载。", Outcome.DECLINED, "no source", tokens_in=9, tokens_out=3
        )

    async def choose(self, question: str, choices: Sequence[str], *, seed: int = 0) -> ChoiceAnswer:
        self._ask(question)
        return ChoiceAnswer((0.1, 0.7, 0.1, 0.1), ((0.1, 0.7, 0.1, 0.1),), tokens_in=20, tokens_out=1)


class Sink:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, int], Response] = {}

    def get(self, agent: str, item_digest: str, seed: int) -> Response | None:
        return self.rows.get((agent, item_digest, seed))

    def put(self, item_digest: str, response: Response) -> None:
        key = response.agent, item_digest, response.seed
        assert key not in self.rows
        self.rows[key] = response


class Quiet:
    def __init__(self) -> None:
        self.done = 0.0

    def stage(self, name: str, total: float) -> None:
        raise AssertionError("the caller opens the stage")

    def advance(self, units: float = 1.0, note: str = "") -> None:
        self.done += units

    def say(self, text: str) -> None:
        raise AssertionError(text)


def sit(
    pack: ExamPack, clerk: Clerk, sink: Sink, *, timeout_seconds: float = 5.0, count: int | None = None
) -> Evaluation:
    progress = Quiet()
    items = pack.items_of(Split.GATE)[:count]
    result = asyncio.run(
        examine(
            clerk,
            items,
            pack=pack,
            split=Split.GATE,
            seed=7,
            sink=sink,
            progress=progress,
            wrong_language=lambda response: "没" in response.raw_text,
            timeout_seconds=timeout_seconds,
        )
    )
    assert progress.done == len(items)
    return result


def test_an_exam_is_measured_and_kept(pack: ExamPack) -> None:
    sink = Sink()
    result = sit(pack, Clerk(), sink)
    items = pack.items_of(Split.GATE)
    right = sum(item.accept == ("B",) for item in items) / sum(item.kind == "choice" for item in items)
    rows = {row.facet: row for row in result.facets}
    assert rows["choice"].score == pytest.approx(right)
    assert rows["unanswerable"].score == 1.0
    assert rows["short"].score == 0.0
    assert result.wrong_language == sum(item.kind != "choice" for item in items)
    assert result.tokens == sum(21 if item.kind == "choice" else 12 for item in items)
    assert (result.pack, result.agent) == (pack.digest, SPEC.digest)
    assert len(sink.rows) == len(items) == len(result.responses)


def test_an_interrupted_exam_goes_on_where_it_stopped_with_the_same_result(pack: ExamPack) -> None:
    whole = sit(pack, Clerk(), Sink())
    sink, first, second = Sink(), Clerk(stop=10), Clerk()
    with pytest.raises(KeyboardInterrupt):
        sit(pack, first, sink)
    assert len(sink.rows) == 10
    resumed = sit(pack, second, sink)
    assert not set(first.asked) & set(second.asked)
    assert resumed.digest == whole.digest
    idle = Clerk()
    assert sit(pack, idle, sink) == resumed
    assert idle.asked == []


def test_items_that_share_a_prefix_are_neighbours(pack: ExamPack) -> None:
    clerk = Clerk()
    sit(pack, clerk, Sink())
    by_input = {item.input: item for item in pack.items}
    keys = [(by_input[text].kind.value, by_input[text].cluster) for text in clerk.asked]
    assert len(keys) == len(set(keys)) + sum(a == b for a, b in itertools.pairwise(keys))


def test_a_lost_engine_is_asked_again_and_then_costs_one_item(pack: ExamPack) -> None:
    questions = [item.input for item in pack.items_of(Split.GATE)]
    once = sit(pack, Clerk({questions[0]: 1}, EngineLost("it ended")), Sink())
    assert all(score.status is ScoreStatus.SCORED for score in once.scores)
    sink = Sink()
    twice = sit(pack, Clerk({questions[0]: 2}, EngineLost("it ended")), sink)
    assert [score.status for score in twice.scores].count(ScoreStatus.UNSCORED) == 1
    assert len(sink.rows) == len(questions)
    assert sit(pack, Clerk(), sink).digest == twice.digest


def test_a_broken_engine_stops_the_exam_and_leaves_no_evidence(pack: ExamPack) -> None:
    questions = {item.input: 2 for item in pack.items_of(Split.GATE)}
    sink = Sink()
    with pytest.raises(StaffroomError, match="5 items running got no answer"):
        sit(pack, Clerk(questions, EngineLost("it ended")), sink)
    assert sink.rows == {}
    with pytest.raises(EngineStartError):
        sit(pack, Clerk(questions, EngineStartError("no memory")), sink)


def test_a_slow_answer_is_unscored(pack: ExamPack) -> None:
    class Slow(Clerk):
        async def choose(self, question: str, choices: Sequence[str], *, seed: int = 0) -> ChoiceAnswer:
            await asyncio.sleep(30)
            raise AssertionError("not reached")

    result = sit(pack, Slow(), Sink(), timeout_seconds=0.02, count=2)
    assert {score.status for score in result.scores} == {ScoreStatus.UNSCORED}
    assert "no answer within" in result.scores[0].reason


def test_a_fault_of_ours_is_not_taken_for_an_answer(pack: ExamPack) -> None:
    questions = {item.input: 1 for item in pack.items_of(Split.GATE)}
    with pytest.raises(ZeroDivisionError):
        sit(pack, Clerk(questions, ZeroDivisionError()), Sink())
    with pytest.raises(ValueError, match="asked once"):
        item = pack.items[0]
        asyncio.run(
            examine(
                Clerk(),
                [item, item],
                pack=pack,
                split=Split.GATE,
                seed=1,
                sink=Sink(),
                progress=Quiet(),
                wrong_language=lambda response: False,
            )
        )
