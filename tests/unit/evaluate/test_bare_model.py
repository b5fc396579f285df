"""A model asked by itself: options are compared by one token, answers end where the pack says, workers are kept out."""

import asyncio
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from exam_folder import EXAM, choice, rows, short, write_pack
from test_examine import Clerk, Quiet, Sink

from staffroom.engine import FakeEngine
from staffroom.engine.protocols import Decoding, Generation, NextToken, Prompt
from staffroom.evaluate import ExamPack, examine, load_pack
from staffroom.evaluate.bare_model import BareModel
from staffroom.records.agent import ChatTurn
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.exam import Split

CONTINUED = EXAM + 'asking: continuation\ndelimiter: " "\nmax_tokens: 7\nmatch: {until: ["\\n", ""]}\n'


class Scripted(FakeEngine):
    """Says what it is told to; every character is a token, but ` A` to ` D` are one."""

    def __init__(self, next_tokens: Mapping[str, float]) -> None:
        super().__init__("scripted")
        self.next_tokens = next_tokens
        self.seen: list[Any] = []

    async def count(self, text: str) -> int:
        return len(text) - sum(text.endswith(f" {letter}") for letter in "ABCD")

    async def next_token(self, prompt: Prompt, candidates: int = 64) -> NextToken:
        self.seen.append(prompt)
        return NextToken({text: math.log(share) for text, share in self.next_tokens.items()}, 9)

    async def generate(self, prompt: Prompt, decoding: Decoding) -> Generation:
        self.seen.append((prompt, decoding))
        return Generation(" 42", 9, 2, "stop")


def prompts() -> list[dict[str, Any]]:
    letters = ["A", "B", "C", "D"]
    return [*(choice(n, choices=letters, input=f"題{n}") for n in range(40)), *rows()[40:]]


@pytest.fixture
def pack(tmp_path: Path) -> ExamPack:
    return load_pack(write_pack(tmp_path, prompts(), CONTINUED))


def test_options_are_compared_by_the_token_that_follows(pack: ExamPack) -> None:
    engine = Scripted({" B": 0.3, " A": 0.1, "B": 0.5, " D": 0.05})
    model = BareModel(engine, pack, name="small")
    answer = asyncio.run(model.choose("題1", ["A", "B", "C", "D"]))
    assert answer.probabilities == pytest.approx((0.1 / 0.45, 0.3 / 0.45, 0.0, 0.05 / 0.45))
    assert engine.seen == [Prompt("", "題1")]


def test_options_of_several_tokens_are_refused_rather_than_guessed(pack: ExamPack) -> None:
    model = BareModel(Scripted({" B": 1.0}), pack, name="small")
    with pytest.raises(StaffroomError, match="is more than one token"):
        asyncio.run(model.choose("題1", ["A", "two words"]))
    none = BareModel(Scripted({"x": 1.0}), pack, name="small")
    with pytest.raises(StaffroomError, match="none of the options is among the 64 likeliest"):
        asyncio.run(none.choose("題1", ["A", "B"]))


def test_an_answer_is_the_continuation_up_to_the_packs_ends(pack: ExamPack) -> None:
    engine = Scripted({})
    model = BareModel(engine, pack, name="small")
    heard: list[str] = []
    answer = asyncio.run(model.answer([ChatTurn("user", " as it is ")], seed=3, on_text=heard.append))
    assert (answer.text, answer.raw_text, heard) == (" 42", " 42", [" 42"])
    ((prompt, decoding),) = engine.seen
    assert prompt == Prompt("", " as it is ")
    assert decoding == Decoding(max_tokens=7, stop=("\n",), seed=3)


def test_the_spec_names_how_it_is_asked(pack: ExamPack, tmp_path: Path) -> None:
    engine = Scripted({})
    other = load_pack(write_pack(tmp_path / "o", prompts(), CONTINUED.replace('" "', '"_"')))
    first, second = (BareModel(engine, one, name="small").spec for one in (pack, other))
    assert first.digest != second.digest and first.prompt.startswith("continuation:")


def sit(agent: Any, pack: ExamPack) -> Any:
    return asyncio.run(
        examine(
            agent,
            pack.items_of(Split.SCREEN),
            pack=pack,
            split=Split.SCREEN,
            seed=0,
            sink=Sink(),
            progress=Quiet(),
            wrong_language=lambda response: False,
        )
    )


def test_it_sits_an_exam_and_a_worker_cannot(pack: ExamPack, tmp_path: Path) -> None:
    result = sit(BareModel(Scripted({" A": 0.7, " B": 0.2}), pack, name="small"), pack)
    chosen = [score for score in result.scores if score.kind.value == "choice"]
    assert chosen and all(score.value == float("right is A" in score.reason) for score in chosen)
    with pytest.raises(WrongUse, match="a worker cannot be asked them"):
        sit(Clerk(), pack)
    usual = load_pack(write_pack(tmp_path / "usual", [*rows(), short(77, input="停在哪裡的小船要繳錢？")]))
    with pytest.raises(WrongUse, match="a bare model knows neither its documents nor its prompt"):
        sit(BareModel(Scripted({}), usual, name="small"), usual)
