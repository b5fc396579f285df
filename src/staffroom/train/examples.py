"""Questions and answers that the organisation's own model makes from its documents, in the form of RAFT (Zhang et al., 2024).

The right passage is shown among others that the question finds too, in an order of chance; in a share of the examples it is
left out, and the answer to learn is that the documents do not say. Every other answer quotes its source. Passages of the exam
give no examples, and no example is made before the exam is frozen.

It does not know whether an answer is true: a model that reads a passage wrongly twice the same way passes all filters.
"""

import random
import re
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from staffroom.engine import Decoding, Engine, Prompt
from staffroom.records.agent import ChatTurn
from staffroom.records.digests import digest_value
from staffroom.records.documents import Chunk
from staffroom.records.protocols import Progress, Retriever
from staffroom.records.training import Example
from staffroom.text import folded, repair, shingles
from staffroom.train.example_file import ExampleFile, PassageResult
from staffroom.train.filters import (
    DropReason,
    agree,
    answer_fault,
    is_repeated,
    question_fault,
    stands_in,
    supporting_sentence,
)
from staffroom.train.wording import MakingWords

__all__ = ["ORIGIN", "MadeExamples", "MakingRules", "made_with", "make_examples"]

ORIGIN = "documents"
_SAMPLES = 3
_AGREEING = 2
_GRAM = 3
_QUESTION_TOKENS = 60
_ANSWER_TOKENS = 80
_LONGEST_PASSAGE = 1500
_NUMBERING = re.compile(r"^\s*(?:[-*•·]|[(（]?\d{1,2}[.)）、:：]|問題?\s*\d*\s*[:：])\s*")


@dataclass(frozen=True, slots=True)
class MakingRules:
    """How examples are made; part of what a file was made with.

    questions: asked for, from each passage.  excerpts: shown in an example, as many as the worker sees.  depth: among how many
    found passages the question's own must be.  without: share of examples that lack the right passage.  seed: of all chance.
    """

    questions: int = 3
    excerpts: int = 3
    depth: int = 3
    without: float = 0.2
    temperature: float = 0.7
    seed: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return the rules as a JSON object."""
        return {
            "questions": self.questions,
            "excerpts": self.excerpts,
            "depth": self.depth,
            "without": self.without,
            "temperature": self.temperature,
            "seed": self.seed,
        }


@dataclass(frozen=True, slots=True)
class MadeExamples:
    """All examples in the order of the passages, how many questions were dropped why, and what it cost."""

    examples: tuple[Example, ...]
    dropped: Mapping[DropReason, int]
    passages: int
    tokens_in: int
    tokens_out: int
    seconds: float

    @property
    def seconds_per_example(self) -> float | None:
        """Seconds for each example that was kept, None where none was."""
        return self.seconds / len(self.examples) if self.examples else None


def made_with(
    engine: Engine, retriever: Retriever, words: MakingWords, declined: str, exam: str, rules: MakingRules
) -> dict[str, Any]:
    """Return all that examples depend on: model, index, wording, the frozen exam, rules."""
    return {
        "engine": engine.identity.digest,
        "index": retriever.digest,
        "words": words.digest,
        "declined": declined,
        "exam": exam,
        "rules": rules.as_json(),
    }


async def make_examples(
    chunks: Sequence[Chunk],
    engine: Engine,
    retriever: Retriever,
    words: MakingWords,
    declined: str,
    *,
    exam: str,
    withheld: Collection[str],
    file: ExampleFile,
    rules: MakingRules | None = None,
    progress: Progress | None = None,
    on_passage: Callable[[PassageResult], None] | None = None,
) -> MadeExamples:
    """Make examples from each passage that is not the exam's, or take them from `file` where they are made already.

    declined: the sentence that says that the documents do not say.  exam: digest of the frozen exam (empty: ValueError, because
    the exam comes first).  withheld: clusters of its items.

    For each passage:
    1. it is not the exam's;
    2. the model writes questions, which are dropped for length, language, script, or as repeated;
    3. a question finds its own passage;
    4. of three answers two agree;
    5. a sentence of the passage holds the numbers of the answer and shares its words: the quotation;
    6. the model does not give the same answer without it;
    7. the right passage goes among others, or, in a share of the examples, is left out.
    """
    if not exam:
        raise ValueError("the exam is frozen before examples are made")
    rules = rules or MakingRules()
    maker = _Maker(engine, retriever, words, declined, rules, {chunk.id: chunk for chunk in chunks})
    for kept in file.results.values():
        maker.keep(kept.examples)
    if progress is not None:
        progress.stage("examples", len(chunks))
    results: list[PassageResult] = []
    for chunk in chunks:
        if chunk.id in file.results:
            result = file.results[chunk.id]
        else:
            # 1.
            if chunk.cluster in withheld:
                result = PassageResult(chunk.id, (), {DropReason.WITHHELD: 1}, 0, 0, 0.0)
            else:
                result = await maker.examples_of(chunk)
            file.add(result)
        results.append(result)
        if on_passage is not None:
            on_passage(result)
        if progress is not None:
            progress.advance(1, f"{sum(len(r.examples) for r in results)} examples")
    dropped: Counter[DropReason] = Counter()
    for result in results:
        dropped.update(result.dropped)
    return MadeExamples(
        examples=tuple(example for result in results for example in result.examples),
        dropped=dropped,
        passages=len(results),
        tokens_in=sum(result.tokens_in for result in results),
        tokens_out=sum(result.tokens_out for result in results),
        seconds=sum(result.seconds for result in results),
    )


class _Maker:
    """One engine at work on one passage after another; it knows what was kept, so that nothing is asked twice."""

    def __init__(
        self,
        engine: Engine,
        retriever: Retriever,
        words: MakingWords,
        declined: str,
        rules: MakingRules,
        chunks: Mapping[str, Chunk],
    ) -> None:
        self._engine = engine
        self._retriever = retriever
        self._words = words
        self._declined = declined
        self._rules = rules
        self._chunks = chunks
        self._kept: list[frozenset[str]] = []
        self._tokens = [0, 0]

    def keep(self, examples: Sequence[Example]) -> None:
        """Remember questions, so that no later one repeats them."""
        self._kept += [shingles(folded(example.turns[-1].content), _GRAM) for example in examples]

    async def examples_of(self, chunk: Chunk) -> PassageResult:
        """Return what comes of one passage."""
        begun, self._tokens = time.monotonic(), [0, 0]
        dropped: Counter[DropReason] = Counter()
        examples = []
        # 2.
        for place, question in enumerate(await self._questions(chunk)):
            made = await self._example(chunk, question, place)
            if isinstance(made, DropReason):
                dropped[made] += 1
            else:
                examples.append(made)
                self.keep([made])
        if not examples and not dropped:
            dropped[DropReason.NOT_PARSED] += 1
        return PassageResult(
            chunk.id, tuple(examples), dropped, self._tokens[0], self._tokens[1], time.monotonic() - begun
        )

    async def _example(self, chunk: Chunk, question: str, place: int) -> Example | DropReason:
        locale = self._words.locale
        # 2.
        if fault := question_fault(question, locale):
            return fault
        if is_repeated(question, self._kept):
            return DropReason.REPEATED
        # 3.
        found = self._retriever.search(question, max(self._rules.depth, 2 * self._rules.excerpts))
        if chunk.id not in [hit.chunk_id for hit in found[: self._rules.depth]]:
            return DropReason.NOT_RETRIEVED
        # 4.
        answer = await self._grounded(chunk, question)
        if isinstance(answer, DropReason):
            return answer
        # 5.
        quote = supporting_sentence(answer, question, chunk.text)
        if fault := answer_fault(answer, quote, question, chunk.text, locale):
            return fault
        # 6.
        closed = await self._say(self._words.closed, {"question": question}, _ANSWER_TOKENS, 0.0, 0)
        if agree(closed, answer):
            return DropReason.KNOWN_ANYWAY
        # 7.
        others = [hit.chunk_id for hit in found if self._is_other(chunk, quote, hit.chunk_id, hit.text)]
        return self._shown(chunk, question, quote, answer, others, place)

    def _is_other(self, chunk: Chunk, quote: str, other: str, text: str) -> bool:
        known = self._chunks.get(other)
        same_case = known is not None and known.cluster == chunk.cluster
        return other != chunk.id and not same_case and not stands_in(quote, text)

    def _shown(
        self, chunk: Chunk, question: str, quote: str, answer: str, others: Sequence[str], place: int
    ) -> Example:
        draw = random.Random(digest_value([self._rules.seed, chunk.id, place, question]))
        heading = " ".join(chunk.heading_path)
        without = bool(others) and draw.random() < self._rules.without
        shown = list(others[: self._rules.excerpts - (0 if without else 1)])
        if without:
            text = self._declined
        else:
            shown.append(chunk.id)
            text = self._words.answer.format(heading=heading, quote=quote, answer=answer)
        draw.shuffle(shown)
        return Example((ChatTurn("user", question),), text, ORIGIN, tuple(shown), chunk.cluster)

    async def _questions(self, chunk: Chunk) -> list[str]:
        said = await self._say(
            self._words.questions,
            {
                "heading": " ".join(chunk.heading_path),
                "text": chunk.text[:_LONGEST_PASSAGE],
                "count": str(self._rules.questions),
            },
            _QUESTION_TOKENS * self._rules.questions,
            self._rules.temperature,
            self._seed(chunk, "questions"),
        )
        lines = (_NUMBERING.sub("", line).strip() for line in said.splitlines())
        return [line for line in lines if line][: self._rules.questions]

    async def _grounded(self, chunk: Chunk, question: str) -> str | DropReason:
        """Return the answer on which two samples agree, asking for a third only if it can decide."""
        fields = {
            "heading": " ".join(chunk.heading_path),
            "text": chunk.text[:_LONGEST_PASSAGE],
            "question": question,
        }
        answers: list[str] = []
        unanswered = 0
        for sample in range(_SAMPLES):
            temperature = self._rules.temperature if sample else 0.0
            seed = self._seed(chunk, question, str(sample))
            said = await self._say(self._words.grounded, fields, _ANSWER_TOKENS, temperature, seed)
            answer = said.splitlines()[0].strip() if said else ""
            if any(words in answer for words in self._words.unanswered):
                unanswered += 1
                if unanswered == _AGREEING:
                    return DropReason.UNANSWERED
            elif answer:
                if any(agree(answer, other) for other in answers):
                    return answer
                answers.append(answer)
        return DropReason.DISAGREEMENT if answers or unanswered else DropReason.NOT_PARSED

    async def _say(
        self, template: str, fields: Mapping[str, str], tokens: int, temperature: float, seed: int
    ) -> str:
        rendered = await self._engine.render([ChatTurn("user", _filled(template, fields).strip())])
        said = await self._engine.generate(
            Prompt("", rendered), Decoding(max_tokens=tokens, temperature=temperature, seed=seed)
        )
        self._tokens[0] += said.tokens_in
        self._tokens[1] += said.tokens_out
        # As answers are when they are served: small models mix scripts and the words of regions.
        return repair(said.text.strip(), self._words.locale)[0]

    def _seed(self, chunk: Chunk, *parts: str) -> int:
        return int(digest_value([self._rules.seed, chunk.id, *parts])[7:14], 16)


def _filled(template: str, fields: Mapping[str, str]) -> str:
    """Fill in all fields at once: a brace in a document stays what it is."""
    return "".join(_parts(template, fields))


def _parts(template: str, fields: Mapping[str, str]) -> Iterator[str]:
    for part in re.split(r"(\{\w+\})", template):
        yield fields.get(part[1:-1], part) if part.startswith("{") and part.endswith("}") else part
