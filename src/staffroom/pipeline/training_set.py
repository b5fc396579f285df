"""What an adapter learns from: corrections and kept examples in the very turns that the worker is asked in.

1. Questions with their answers: the accepted corrections that may train, and the examples of the files that the job names. Files of
   examples that were made for another exam are refused.
2. What asks what an exam item, or a corrected case that is examined, asks is left out. A prompt or a worked example that does ends it:
   every question would be shown that.
3. Each is shown as serving shows it, by `DocumentAgent.shown_turns`: with the excerpts that it names, else with those that are found.
4. An answer that does not rest on what is shown is left out: it would teach to answer without documents.

Nothing here trains. The set holds people's words, so it is kept in `private/` and nowhere else.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from staffroom.improve import Expected
from staffroom.pipeline.assemble import Assembly, assemble, engine_for
from staffroom.pipeline.workshop import HomeWorkshop
from staffroom.records.agent import ChatTurn
from staffroom.records.dataset import LeakClearance, dataset_digest
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Item, items_digest
from staffroom.records.policy import Demonstration, ExampleBook, PromptBook
from staffroom.records.protocols import Progress
from staffroom.records.training import Example
from staffroom.serve.agent import DocumentAgent
from staffroom.serve.examples import NearestExamples
from staffroom.serve.verdict import with_verdict
from staffroom.text.normalise import comparable
from staffroom.train.example_file import kept_examples
from staffroom.train.leaks import (
    LeakKind,
    LeakReport,
    TextKind,
    TrainingText,
    find_leaks,
    require_clean,
    text_of,
)
from staffroom.train.reading import read_examples

__all__ = ["CORRECTIONS", "TrainingSet", "training_set"]

CORRECTIONS = "corrections"
_HOW: Mapping[LeakKind, str] = {
    LeakKind.CONTAINED: "holds",
    LeakKind.ALIKE: "is worded like",
    LeakKind.SAME_MEANING: "means what is asked in",
}


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Examples as the worker is asked them, the word that they are clean, and what was left out why.

    exam: digest of the items that they were checked against.  questions: how many there were before anything was left out.
    """

    examples: tuple[Example, ...]
    clearance: LeakClearance
    exam: str
    questions: int
    left_out: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the set as JSON data."""
        return {
            "examples": [example.as_json() for example in self.examples],
            "report": self.clearance.report,
            "exam": self.exam,
            "questions": self.questions,
            "left_out": list(self.left_out),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "TrainingSet":
        """Return the set that `as_json` gave."""
        examples = tuple(
            Example(
                tuple(ChatTurn(**turn) for turn in row["turns"]),
                row["answer"],
                row["origin"],
                tuple(row["chunks"]),
                row["case"],
            )
            for row in data["examples"]
        )
        clearance = LeakClearance(data["report"], dataset_digest(examples), clean=True)
        return cls(examples, clearance, data["exam"], data["questions"], tuple(data["left_out"]))


async def training_set(
    shop: HomeWorkshop, kept_back: Sequence[Item], files: Sequence[Path], progress: Progress
) -> TrainingSet:
    """Return what an adapter for the incumbent may learn from; see the module for the order.

    kept_back: the corrected cases that are examined.  files: of further examples.
    Raises WrongUse for a file that cannot be read or was made for another exam, LeakFound where prompt or worked examples leak.
    """
    # 1.
    asked = [*_corrected(shop), *_of_files(shop, files)]
    # 2.
    report, clean, left_out = await _checked(shop, [*shop.pack.items, *kept_back], asked, progress)
    # 3. and 4.
    agent = _agent(shop)
    progress.stage("examples as they are asked", len(clean))
    shown: list[Example] = []
    for name, example in clean:
        made = await _shown(shop, agent, example)
        if isinstance(made, Example):
            shown.append(made)
        else:
            left_out.append(f"{name}: {made}")
        progress.advance()
    examples = tuple({example.digest: example for example in shown}.values())
    clearance = LeakClearance(report.digest, dataset_digest(examples), clean=report.is_clean)
    return TrainingSet(examples, clearance, report.exam, len(asked), tuple(left_out))


def _corrected(shop: HomeWorkshop) -> list[tuple[str, Example]]:
    return [
        (one.id, Example((ChatTurn("user", one.question),), one.corrected, CORRECTIONS, case=one.passage))
        for one in shop.corrections
    ]


def _of_files(shop: HomeWorkshop, files: Sequence[Path]) -> list[tuple[str, Example]]:
    found: list[tuple[str, Example]] = []
    frozen = items_digest(shop.pack.items)
    for path in files:
        made = kept_examples(path)
        if made is not None and made[0].get("exam") != frozen:
            raise WrongUse(
                "these examples were made when the exam was another one",
                where=str(path),
                hint="make them anew, or take the file out of improvement.adapter.examples",
            )
        examples = made[1] if made is not None else read_examples(path, locale=shop.job.locale)
        found += ((f"{path.name}:{number}", example) for number, example in enumerate(examples, 1))
    return found


async def _checked(
    shop: HomeWorkshop, items: Sequence[Item], asked: Sequence[tuple[str, Example]], progress: Progress
) -> tuple[LeakReport, list[tuple[str, Example]], list[str]]:
    """Return a clean report, the examples it is about, and what was left out for a leak."""
    texts = {example.digest: text_of(example) for _, example in asked}
    shown = _prompt_texts(shop.assembly.book, shop.assembly.examples)
    documents = [chunk.text for chunk in shop.retriever(shop.assembly.index).chunks()]
    frozen = items_digest(items)

    def look(some: Sequence[TrainingText]) -> LeakReport:
        progress.stage("looking for exam questions", 1)
        done = 0.0

        def told(count: int, of: int) -> None:
            nonlocal done
            progress.advance(count / of - done)
            done = count / of

        return find_leaks(items, frozen, some, shop.embedder, documents=documents, on_progress=told)

    report = await asyncio.to_thread(look, [*texts.values(), *shown])
    in_prompt = tuple(leak for leak in report.leaks if leak.kind is not TextKind.EXAMPLE)
    require_clean(replace(report, leaks=in_prompt))
    why = {leak.text: f"{_HOW[leak.how]} exam item {leak.item}" for leak in report.leaks}
    left_out = [f"{name}: {why[one.digest]}" for name, one in asked if one.digest in why]
    clean = [(name, one) for name, one in asked if one.digest not in why]
    if why:
        rest = [text for name, text in texts.items() if name not in why]
        report = await asyncio.to_thread(look, [*rest, *shown])
        require_clean(report)
    return report, clean, left_out


def _prompt_texts(book: PromptBook, examples: ExampleBook | None) -> list[TrainingText]:
    """Return what every question, or some questions, are shown before them; excerpts are documents, and no part of it."""
    texts = [TrainingText("system prompt", TextKind.PROMPT, book.system)]
    worked = (*book.demonstrations, *(examples.examples if examples is not None else ()))
    for number, one in enumerate(worked, 1):
        said = f"{one.question}\n{one.answer}"
        texts.append(TrainingText(f"worked example {number}", TextKind.DEMONSTRATION, said))
    return texts


def _agent(shop: HomeWorkshop) -> DocumentAgent:
    assembly: Assembly = replace(shop.assembly, adapter="")
    others = None if assembly.examples is None else _OtherExamples(assembly.examples, shop)
    engine = engine_for(assembly, shop.home)
    return assemble(assembly, engine, shop.home, shop.embedder, shop.retriever(assembly.index), others)


class _OtherExamples:
    """The nearest worked examples without the question's own: it would be learnt to copy the answer."""

    def __init__(self, book: ExampleBook, shop: HomeWorkshop) -> None:
        self._shown = book.shown
        self._nearest = NearestExamples(replace(book, shown=book.shown + 1), shop.embedder)

    def nearest(self, question: str) -> tuple[Demonstration, ...]:
        """Return the examples, the nearest last."""
        asked = comparable(question)
        found = [one for one in self._nearest.nearest(question) if comparable(one.question) != asked]
        return tuple(found[-self._shown :])


async def _shown(shop: HomeWorkshop, agent: DocumentAgent, example: Example) -> Example | str:
    """Return an example as the worker is asked it, or why it is left out."""
    question, assembly = example.turns[-1].content, shop.assembly
    excerpts = None
    if example.chunks:
        excerpts = shop.retriever(assembly.index).chosen(question, example.chunks)
        if len(excerpts) < len(example.chunks):
            return "its passages are not in the documents any more"
    shown = await agent.shown_turns(example.turns, excerpts)
    if shown is None:
        return "a guardrail refuses the question"
    answer, expected = example.answer.strip(), shop.verdict_of(example.answer)
    if expected is Expected.ANSWER:
        objection = shop.unsupported(question, answer, shown.found, assembly.policy.excerpt_characters)
        if objection or not shown.found:
            return f"not in the excerpts ({objection or 'nothing is found'})"
    book = assembly.book
    words = {
        Expected.ANSWER: book.answer_word,
        Expected.NOTHING: book.nothing_word,
        Expected.REFUSE: book.refuse_word,
    }
    chunks = tuple(item.chunk_id for item in shown.found)
    said = with_verdict(words[expected], answer)
    return replace(example, turns=shown.turns, answer=said, chunks=chunks)
