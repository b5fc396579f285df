"""What the rungs of the ladder look up in a home: indexes, the exam's questions, and what a corrected answer stands for."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from staffroom.engine.embed import Embedder
from staffroom.evaluate import ExamPack, Stance, stance_of
from staffroom.improve import Expected, Parts
from staffroom.onboard.prompt import agent_policy, prompt_book
from staffroom.onboard.retrieval import IndexRetriever
from staffroom.pipeline.assemble import Assembly, index_path
from staffroom.records.agent import Retrieved
from staffroom.records.feedback import Correction
from staffroom.records.job_description import JobDescription
from staffroom.serve.grounding import Grounding, excerpt_window, shown_excerpts
from staffroom.store import Home
from staffroom.text.ngrams import character_ngrams
from staffroom.text.normalise import comparable
from staffroom.text.numbers import without_references

__all__ = ["HomeWorkshop", "parts_of", "with_parts"]

_LIKE = 0.5


def parts_of(assembly: Assembly) -> Parts:
    """Return what the ladder may change of an agent."""
    return Parts(assembly.index, assembly.book, assembly.policy, assembly.examples, assembly.adapter)


def with_parts(assembly: Assembly, parts: Parts) -> Assembly:
    """Return an agent on the same model with other parts."""
    return replace(
        assembly,
        index=parts.index,
        book=parts.book,
        policy=parts.policy,
        examples=parts.examples,
        adapter=parts.adapter,
    )


@dataclass(slots=True)
class HomeWorkshop:
    """The `Workshop` of one worker; close it when done."""

    home: Home
    embedder: Embedder
    assembly: Assembly
    released_job: JobDescription
    job: JobDescription
    fresh_index: str
    pack: ExamPack
    corrections: Sequence[Correction]
    _retrievers: dict[str, IndexRetriever] = field(default_factory=dict)
    _questions: list[tuple[str, str, frozenset[str]]] = field(default_factory=list)

    @property
    def incumbent(self) -> Parts:
        """The worker in service."""
        return parts_of(self.assembly)

    @property
    def released(self) -> Parts:
        """The worker as the job of its release words it."""
        return Parts(self.assembly.index, prompt_book(self.released_job), agent_policy(self.released_job))

    @property
    def current(self) -> Parts:
        """The worker as its job and its documents are now."""
        return Parts(self.fresh_index, prompt_book(self.job), agent_policy(self.job))

    @property
    def examples_shown(self) -> int:
        """How many worked examples a question may be shown."""
        return self.job.improvement.examples_shown

    def find(self, index: str, question: str, limit: int) -> Sequence[Retrieved]:
        """Return the chunks of an index for a question, best first."""
        return self.retriever(index).search(question, limit)

    def retriever(self, index: str) -> IndexRetriever:
        """Return an open index of the home; it is closed with the workshop."""
        if index not in self._retrievers:
            self._retrievers[index] = IndexRetriever(index_path(self.home, index), self.embedder)
        return self._retrievers[index]

    def show(self, found: Sequence[Retrieved], parts: Parts, characters: int) -> str:
        """Return chunks as the model would be shown them, cut to so many characters each."""
        return shown_excerpts(parts.book, found, characters)

    def expected(self, correction: Correction) -> Expected:
        """Return which verdict a corrected answer stands for, by the pack's words for declining and the refusal rule."""
        return self.verdict_of(correction.corrected)

    def verdict_of(self, text: str) -> Expected:
        """Return which verdict an answer stands for."""
        if stance_of(text, self.job.locale) is Stance.FULL_REFUSAL:
            return Expected.REFUSE
        declines = self.pack.patterns.first_match(self.pack.declines, text) is not None
        return Expected.NOTHING if declines else Expected.ANSWER

    def objection(self, correction: Correction, found: Sequence[Retrieved], characters: int) -> str:
        """Return why a corrected answer does not rest on what is shown of these chunks, or an empty text."""
        return self.unsupported(correction.question, correction.corrected, found, characters)

    def unsupported(self, question: str, answer: str, found: Sequence[Retrieved], characters: int) -> str:
        """Return why an answer does not rest on what is shown of these chunks, or an empty text."""
        shown = [replace(item, text=excerpt_window(item.text, item.focus, characters)) for item in found]
        return Grounding(question, shown).objection(without_references(answer))

    def exam_item_like(self, text: str) -> str:
        """Return the id of an exam item, of any split, that asks much the same, or an empty text.

        Much the same: half the runs of eight characters of either stand in the other, in one script.
        """
        if not self._questions:
            self._questions += [
                (item.id, comparable(item.input), character_ngrams(item.input)) for item in self.pack.items
            ]
        plain, grams = comparable(text), character_ngrams(text)
        for name, question, known in self._questions:
            if plain == question:
                return name
            shared = len(grams & known)
            if shared and shared >= _LIKE * min(len(grams), len(known)):
                return name
        return ""

    def close(self) -> None:
        """Close the indexes that were looked into."""
        for retriever in self._retrievers.values():
            retriever.close()
