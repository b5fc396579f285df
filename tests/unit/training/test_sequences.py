"""Masks by the difference of two renderings, whatever the template, and refusals where that is not what is served."""

import asyncio
from collections.abc import Sequence

import pytest

from staffroom.engine import EngineIdentity, LlamaAdapter, TracedToken
from staffroom.engine.training import TrainingSequence
from staffroom.records.agent import ChatTurn
from staffroom.records.training import Example
from staffroom.train.refusals import EndNotLearnt, NothingToLearn, PromptLearnt, TemplateDiffers, TooLong
from staffroom.train.sequences import check_sequences, end_tokens, sequence_of

END = 1
ENDS = frozenset({END})


class ToyEngine:
    """A template with `[role]` and `#` as the end of a turn; a token is a character, `#` is token 1."""

    def __init__(
        self, context: int = 200, *, end: str = "#", before_end: str = "", shout: bool = False
    ) -> None:
        self.context = context
        self.identity = EngineIdentity("toy", "1", "m", "t")
        self._end, self._before_end, self._shout = end, before_end, shout

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def render(self, turns: Sequence[ChatTurn], *, opening: str = "") -> str:
        shown = [
            f"[{turn.role}]{turn.content.upper() if self._shout and turn.role == 'assistant' else turn.content}"
            f"{self._before_end if turn.role == 'assistant' else ''}{self._end}"
            for turn in turns
        ]
        return "".join(shown) + "[assistant]" + opening

    async def tokens(self, text: str) -> tuple[int, ...]:
        return tuple(END if letter == "#" else ord(letter) for letter in text)

    async def trace(self, tokens: Sequence[int], count: int, candidates: int = 8) -> tuple[TracedToken, ...]:
        return ()


def opened(adapters: Sequence[LlamaAdapter]) -> ToyEngine:
    return ToyEngine()


def example(answer: str = "at nine", *more: ChatTurn) -> Example:
    return Example((ChatTurn("system", "Be brief."), *more, ChatTurn("user", "When?")), answer, "test")


def made(engine: ToyEngine, item: Example) -> TrainingSequence:
    return asyncio.run(sequence_of(engine, item, ENDS, 1))


def text(item: TrainingSequence, *, learnt: bool) -> str:
    letters = ["#" if token == END else chr(token) for token in item.tokens]
    return "".join(letter for letter, mark in zip(letters, item.learnt, strict=True) if mark is learnt)


def test_the_answer_and_its_end_are_learnt_and_nothing_else() -> None:
    found = made(ToyEngine(), example())
    assert text(found, learnt=False) == "[system]Be brief.#[user]When?#[assistant]"
    assert text(found, learnt=True) == "at nine#"
    check_sequences([found], ENDS)


def test_answers_of_earlier_turns_are_not_learnt() -> None:
    found = made(ToyEngine(), example("at nine", ChatTurn("user", "Hi"), ChatTurn("assistant", "Hello")))
    assert text(found, learnt=True) == "at nine#"
    assert "Hello#" in text(found, learnt=False)


def test_blanks_around_an_answer_are_not_learnt() -> None:
    assert text(made(ToyEngine(), example("  at nine\n")), learnt=True) == "at nine#"


@pytest.mark.parametrize(
    ("engine", "item", "error"),
    [
        (ToyEngine(), example(" \n "), NothingToLearn),
        (ToyEngine(), Example((ChatTurn("assistant", "x"),), "y", "test"), TemplateDiffers),
        (ToyEngine(), Example((), "y", "test"), TemplateDiffers),
        (ToyEngine(shout=True), example(), TemplateDiffers),
        (ToyEngine(end=""), example(), EndNotLearnt),
        (ToyEngine(before_end=" "), example(), TemplateDiffers),
        (ToyEngine(), example("at nine# or ten"), TemplateDiffers),
        (ToyEngine(context=20), example(), TooLong),
    ],
)
def test_what_does_not_fit_is_refused_with_a_next_step(
    engine: ToyEngine, item: Example, error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"example 1 \(test\)(.|\n)*hint: "):
        made(engine, item)


GOOD = TrainingSequence((50, 51, 52, 53, END), (False, False, True, True, True))


@pytest.mark.parametrize(
    ("tokens", "learnt", "error"),
    [
        ((50, 51, 52, END), (False,) * 4, NothingToLearn),
        ((50, 51, 52, END), (False, False, False, True), NothingToLearn),
        ((50, 51, 52, END), (False, False, True, False), EndNotLearnt),
        ((50, 51, 52, 53), (False, False, True, True), EndNotLearnt),
        ((50, 51, 52, END), (True,) * 4, PromptLearnt),
        ((50, END, 52, 53, END), (False, True, True, True, True), PromptLearnt),
        ((50, 51, 52, 53, END), (False, True, False, True, True), PromptLearnt),
        ((50, 51, END), (False, True), PromptLearnt),
    ],
)
def test_masks_are_checked_whoever_made_them(
    tokens: tuple[int, ...], learnt: tuple[bool, ...], error: type[Exception]
) -> None:
    check_sequences([GOOD], ENDS)
    with pytest.raises(error, match=r"example 2(.|\n)*hint: "):
        check_sequences([GOOD, TrainingSequence(tokens, learnt)], ENDS)


def test_no_examples_is_an_error_of_its_own() -> None:
    with pytest.raises(NothingToLearn, match="there are no examples"):
        check_sequences([], ENDS)


def test_ends_are_those_the_file_names_and_marks_that_are_one_token(tmp_path: object) -> None:
    from pathlib import Path

    from tiny_network import write_network

    from staffroom.gguf import read_header

    header = read_header(write_network(Path(str(tmp_path)) / "m.gguf"))
    assert asyncio.run(end_tokens(ToyEngine(), header)) == {2}
