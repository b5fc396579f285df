"""What an adapter learns from: the worker's own turns, without the exam, without answers from nowhere."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hire_world import Town
from training_world import by_words_alone, corrections, workshop

from staffroom.engine import FakeEngine
from staffroom.engine.protocols import Prompt
from staffroom.pipeline import training_set as module
from staffroom.pipeline.assemble import Assembly, assemble
from staffroom.pipeline.paired_gate import regression_pack
from staffroom.pipeline.training_set import TrainingSet, training_set
from staffroom.pipeline.workshop import HomeWorkshop
from staffroom.records.agent import ChatTurn
from staffroom.records.dataset import dataset_digest
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Item, items_digest
from staffroom.records.feedback import Correction
from staffroom.records.policy import Demonstration, ExampleBook
from staffroom.records.training import Example
from staffroom.store import Home
from staffroom.train.example_file import ExampleFile, PassageResult
from staffroom.train.leaks import LeakFound


@pytest.fixture(autouse=True)
def fake_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    def engine_for(assembly: Assembly, home: Home) -> FakeEngine:
        return FakeEngine(assembly.candidate.id, n_ctx=assembly.context)

    monkeypatch.setattr(module, "engine_for", engine_for)
    by_words_alone(monkeypatch)


def made(
    town: Town,
    known: Sequence[Correction],
    kept_back: Sequence[Item] = (),
    files: Sequence[Path] = (),
    book: ExampleBook | None = None,
) -> TrainingSet:
    with workshop(town, known) as shop:
        shop.assembly = replace(shop.assembly, examples=book)
        return asyncio.run(training_set(shop, kept_back, files, town.progress))


class Recording(FakeEngine):
    """A fake engine that keeps what it is asked."""

    def __init__(self) -> None:
        super().__init__("recording")
        self.prompts: list[str] = []

    async def next_token(self, prompt: Prompt, candidates: int = 64):  # type: ignore[no-untyped-def]
        self.prompts.append(prompt.pinned + prompt.rest)
        return await super().next_token(prompt, candidates)


def served_prompt(town: Town, shop: HomeWorkshop, question: str) -> str:
    """Return what the worker of the release asks its engine for this question."""

    async def ask() -> str:
        engine = Recording()
        await engine.start()
        agent = assemble(shop.assembly, engine, town.home, town.embedder, shop.retriever(shop.assembly.index))
        await agent.answer([ChatTurn("user", question)])
        return engine.prompts[0]

    return asyncio.run(ask())


@pytest.mark.parametrize("with_book", [False, True])
def test_what_is_learnt_is_asked_exactly_as_it_is_served(ready: Town, with_book: bool) -> None:
    known = corrections(8)
    other = tuple(
        Demonstration("[1] Nothing", f"{word}, please?", "ANSWER", "Yes.") for word in ("Ink", "Oil")
    )
    book = ExampleBook(2, other) if with_book else None
    found = made(ready, known, book=book)
    assert len(found.examples) == 8 and not found.left_out and found.questions == 8
    engine = FakeEngine()
    with workshop(ready, known) as shop:
        shop.assembly = replace(shop.assembly, examples=book)
        for example, one in zip(found.examples, known, strict=True):
            assert asyncio.run(engine.render(example.turns)) == served_prompt(ready, shop, one.question)
            assert example.answer == f"{shop.assembly.book.answer_word}\n{one.corrected}"
            assert example.case == one.passage and example.origin == "corrections" and example.chunks
    assert found.clearance.clean and found.clearance.dataset == dataset_digest(found.examples)
    assert TrainingSet.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_an_example_never_shows_its_own_answer(ready: Town) -> None:
    known = corrections(3)
    book = ExampleBook(
        1, tuple(Demonstration("[1] x", one.question, "ANSWER", one.corrected) for one in known)
    )
    for example, one in zip(made(ready, known, book=book).examples, known, strict=True):
        assert not any(one.corrected in turn.content for turn in example.turns)


def test_verdicts_are_those_of_the_answers(ready: Town) -> None:
    known = [
        Correction("fb-1", "What does the kite cost?", "9", "The documents do not say."),
        Correction("fb-2", "Forge a stamp of the organ for me.", "ok", "I'm sorry, I can't help with that."),
    ]
    found = made(ready, known)
    with workshop(ready, known) as shop:
        book = shop.assembly.book
    assert [example.answer.split("\n")[0] for example in found.examples] == [
        book.nothing_word,
        book.refuse_word,
    ]


def test_exam_items_and_examined_cases_are_left_out_and_named(ready: Town) -> None:
    known = corrections(6)
    with workshop(ready, known) as shop:
        item = shop.pack.items[0]
        kept = regression_pack(shop.pack, [replace(known[1], corrected="Ask somebody else entirely.")])
    assert kept is not None
    stolen = [replace(known[0], question=item.input), *known[1:]]
    found = made(ready, stolen, kept.items)
    assert [text.split(":")[0] for text in found.left_out] == [known[0].id, known[1].id]
    assert "exam item c" in found.left_out[0] and kept.items[0].id in found.left_out[1]
    assert len(found.examples) == 4 and found.exam == items_digest([*shop.pack.items, *kept.items])


def test_a_worked_example_that_gives_an_item_away_ends_it(ready: Town) -> None:
    with workshop(ready, []) as shop:
        item = shop.pack.items[0]
    book = ExampleBook(1, (Demonstration("[1] x", item.input, "ANSWER", "It is so."),))
    with pytest.raises(LeakFound, match=f"gives away {item.id}"):
        made(ready, corrections(2), book=book)


def test_an_answer_from_nowhere_is_left_out(ready: Town) -> None:
    known = [
        *corrections(2),
        Correction("fb-9", "Who paints the fence by the weir?", "", "It costs 8821 crowns."),
    ]
    found = made(ready, known)
    assert len(found.examples) == 2 and found.left_out[0].startswith(
        "fb-9: not in the excerpts (the number 8821"
    )


def kept_file(town: Town, exam: str, chunks: Sequence[str]) -> Path:
    path = town.folder / "made.jsonl"
    path.unlink(missing_ok=True)
    question = "What does a boat pay?"
    example = Example(
        (ChatTurn("user", question),), "40 crowns for each night.", "documents", tuple(chunks), "harbour"
    )
    ExampleFile(path, {"exam": exam}).add(PassageResult("c", (example,), {}, 1, 1, 0.1))
    return path


def test_made_examples_are_shown_the_passages_that_they_name_in_their_order(ready: Town) -> None:
    with workshop(ready, []) as shop:
        chunks = [chunk.id for chunk in shop.retriever(shop.assembly.index).chunks()]
        frozen = items_digest(shop.pack.items)
    found = made(ready, [], files=[kept_file(ready, frozen, list(reversed(chunks)))])
    (example,) = found.examples
    assert example.chunks == tuple(reversed(chunks)) and example.origin == "documents"
    gone = made(ready, [], files=[kept_file(ready, frozen, [*chunks, "gone"])])
    assert gone.left_out == ("made.jsonl:1: its passages are not in the documents any more",)
    with pytest.raises(WrongUse, match="when the exam was another one"):
        made(ready, [], files=[kept_file(ready, "sha256:other", chunks)])


def test_chats_that_people_bring_keep_what_was_said_before(ready: Town) -> None:
    path = ready.folder / "chats.jsonl"
    said = [
        "Is there a kite shop?",
        "Yes, by the weir.",
        "And who owns the kite shop there?",
        "Ask at the weir.",
    ]
    turns = [
        {"role": "user" if place % 2 == 0 else "assistant", "content": text}
        for place, text in enumerate(said)
    ]
    path.write_text(json.dumps({"messages": turns}) + "\n")
    found = made(ready, [], files=[path])
    assert len(found.examples) == 2
    assert [turn.content for turn in found.examples[1].turns][-3:-1] == said[:2]
