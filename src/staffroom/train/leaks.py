"""Leak control: no question of the exam reaches a model through examples, prompts or demonstrations.

What is found: an exam's question word for word or in another script, spelling or encoding; one that shares most of its wording;
and one that means the same in other words or another language (by sentence vectors, so most of them, not all: the rates are
measured by `benchmarks/leaks.py`). What is not: the answer to an exam's question, told as a plain statement; a question
hidden in a code of its own; a translation into a language that the embedder does not know. The exam must not have changed
since it was frozen, and is frozen before the first example is made.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from staffroom.engine import Embedder
from staffroom.records.digests import digest_bytes, digest_value
from staffroom.records.errors import StaffroomError
from staffroom.records.exam import Item, items_digest
from staffroom.records.training import Example
from staffroom.text import estimated_jaccard, folded, meeting_pairs, minhash, shingles
from staffroom.train.pieces import decoded, pieces, size_of
from staffroom.train.question_space import Closeness, QuestionSpace

__all__ = [
    "ExamChanged",
    "Leak",
    "LeakFound",
    "LeakKind",
    "LeakReport",
    "LeakRules",
    "TextKind",
    "TrainingText",
    "find_leaks",
    "require_clean",
    "text_of",
]

Listener = Callable[[int, int], None]

_CONTAINED_GRAM, _ALIKE_GRAM = 8, 5
_BAND_ROWS = 3
_SHORT_QUESTION = 24
_LONG_QUESTION = 400
_SHOWN = 60
_ROOM = 2
_NAMED = 20


class ExamChanged(StaffroomError):
    """The exam is not the one that was frozen, or nothing was frozen; nothing may be trained against it."""


class LeakFound(StaffroomError):
    """Texts that would train or prompt a model hold questions of the exam; `report` names all of them."""

    def __init__(self, message: str, report: "LeakReport", *, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.report = report


class TextKind(StrEnum):
    """What a checked text would do to the model."""

    EXAMPLE = "example"
    PROMPT = "prompt"
    DEMONSTRATION = "demonstration"


class LeakKind(StrEnum):
    """How a text was recognised: its 8-grams, its wording as a whole, or its meaning."""

    CONTAINED = "contained"
    ALIKE = "alike"
    SAME_MEANING = "same_meaning"


@dataclass(frozen=True, slots=True)
class TrainingText:
    """A text to check, with the name by which a report calls it (an example's digest, a prompt's name)."""

    name: str
    kind: TextKind
    text: str


@dataclass(frozen=True, slots=True)
class LeakRules:
    """From which value on something is a leak; part of the report, so that nobody loosens them unseen.

    contained: share of a question's 8-grams in a text, or of a piece's in a question.  fewest: 8-grams that such a piece
    must have.  alike: Jaccard index of 5-grams.
    """

    contained: float = 0.6
    fewest: int = 6
    alike: float = 0.5
    closeness: Closeness = field(default_factory=Closeness)

    def as_json(self) -> dict[str, Any]:
        """Return the rules as a JSON object."""
        return {
            "contained": self.contained,
            "fewest": self.fewest,
            "alike": self.alike,
            "one_language": self.closeness.one_language,
            "two_languages": self.closeness.two_languages,
        }


@dataclass(frozen=True, slots=True)
class Leak:
    """One pair: a text, the item that it gives away, how that was seen, how strongly, and from where on that counts.

    piece: the part of the text (never of the exam).
    """

    text: str
    kind: TextKind
    item: str
    how: LeakKind
    value: float
    bound: float
    piece: str

    def as_json(self) -> dict[str, Any]:
        """Return the leak as a JSON object."""
        return {
            "text": self.text,
            "kind": self.kind.value,
            "item": self.item,
            "how": self.how.value,
            "value": self.value,
            "bound": self.bound,
            "piece": self.piece,
        }


@dataclass(frozen=True, slots=True)
class LeakReport:
    """What was checked against which exam by which rules, and what was found.

    exam: digest of the frozen items.  texts: digest over names and content of all that was checked, in any order.
    """

    exam: str
    texts: str
    counts: Mapping[str, int]
    embedder: str
    rules: LeakRules
    leaks: tuple[Leak, ...]

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not self.leaks

    @property
    def leaking(self) -> frozenset[str]:
        """Names of the texts to leave out."""
        return frozenset(leak.text for leak in self.leaks)

    def as_json(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "exam": self.exam,
            "texts": self.texts,
            "counts": dict(sorted(self.counts.items())),
            "embedder": self.embedder,
            "rules": self.rules.as_json(),
            "leaks": [leak.as_json() for leak in self.leaks],
        }

    @property
    def digest(self) -> str:
        """The report's name in the record of a training."""
        return digest_value(self.as_json())


def text_of(example: Example, kind: TextKind = TextKind.EXAMPLE) -> TrainingText:
    """Return all that an example says, its turns and its answer, as a text to check."""
    return TrainingText(
        example.digest, kind, "\n".join([*(turn.content for turn in example.turns), example.answer])
    )


def find_leaks(
    items: Sequence[Item],
    committed: str,
    texts: Sequence[TrainingText],
    embedder: Embedder,
    *,
    documents: Sequence[str] = (),
    rules: LeakRules | None = None,
    on_progress: Listener | None = None,
) -> LeakReport:
    """Compare every text with every item of the exam and report the pairs; blocking, some 0.1 s for each piece of text.

    committed: digest under which the items were frozen.  documents: passages that workers read anyway; what stands in one of
    them word for word is not compared by meaning (whether an exam asks what they say already is for `exam check`).
    on_progress: told how many pieces of how many were compared by meaning.

    1. The exam is the frozen one, or ExamChanged is raised.
    2. Texts in their folded forms, disguises undone, hold a question's 8-grams, or a piece is part of a question.
    3. Pieces whose wording is as a whole that of a question (MinHash finds the pairs, the exact index decides).
    4. Pieces that mean a question.
    Each pair of text and item is reported once, by the first of these that sees it, with its strongest value.
    """
    rules = rules or LeakRules()
    # 1.
    found = items_digest(items)
    if not items:
        raise ExamChanged("there is no exam to check against", hint="staffroom exam check PACK")
    if found != committed:
        raise ExamChanged(
            f"the exam is {found}, and {committed or 'nothing'} was frozen",
            hint="take back what was changed in the pack, or make all examples anew for the new exam",
        )
    questions = [(item.id, question) for item in items for question in _asked(item)]
    meant = len(questions)
    # Options are recognised by their words alone: what they mean, other questions' answers mean too.
    questions += [(item.id, "\n".join(item.choices)) for item in items if item.kind.has_options]
    plain = [folded(question) for _, question in questions]
    cut = _cut(texts, _ROOM * max(size_of(question) for question in plain[:meant]))
    seen: dict[tuple[str, str], Leak] = {}
    for text, question, how, value, bound, piece in (
        *_contained(texts, cut, plain, rules),
        *_alike(cut, plain, rules),
        *_meant(
            cut, [question for _, question in questions[:meant]], embedder, documents, rules, on_progress
        ),
    ):
        leak = Leak(
            texts[text].name,
            texts[text].kind,
            questions[question][0],
            how,
            round(value, 4),
            bound,
            piece[:_SHOWN],
        )
        known = seen.setdefault((leak.text, leak.item), leak)
        if known.how is how and leak.value > known.value:
            seen[leak.text, leak.item] = leak
    return LeakReport(
        exam=found,
        texts=digest_value(sorted([t.name, t.kind.value, digest_bytes(_utf8(t.text))] for t in texts)),
        counts=Counter(text.kind.value for text in texts),
        embedder=embedder.digest,
        rules=rules,
        leaks=tuple(seen.values()),
    )


def require_clean(report: LeakReport) -> None:
    """Raise LeakFound, which names the pairs, unless the report is clean."""
    if report.is_clean:
        return
    pairs = [
        f"{leak.kind.value} {leak.text} gives away {leak.item} ({leak.how.value} {leak.value:.2f}, bound {leak.bound:.2f}): "
        f"{leak.piece}"
        for leak in report.leaks[:_NAMED]
    ]
    if len(report.leaks) > _NAMED:
        pairs.append(f"and {len(report.leaks) - _NAMED} more")
    raise LeakFound(
        f"{len(report.leaking)} texts hold questions of the exam\n" + "\n".join(pairs),
        report,
        hint="leave these texts out, or retire the items, and check again",
    )


Seen = tuple[int, int, LeakKind, float, float, str]


def _asked(item: Item) -> Iterator[str]:
    """Yield the texts of an item that must not be learnt: its question (with its options where it says little), its document."""
    question = item.input.strip()
    if len(question) > _LONG_QUESTION:
        # A prompt with worked examples before it: the last paragraph is the question.
        question = question.rsplit("\n\n", 1)[-1]
    if item.kind.has_options and len(folded(question)) < _SHORT_QUESTION:
        question = "\n".join([question, *item.choices])
    if folded(question):
        yield question
    if item.document and folded(item.document):
        yield item.document


def _cut(texts: Sequence[TrainingText], longest: float) -> list[list[tuple[str, str]]]:
    """Return for each text the pieces of all its readings, each with its folded form, once."""
    result = []
    for text in texts:
        kept: dict[str, str] = {}
        for reading in (text.text, *decoded(text.text)):
            for piece in pieces(reading, longest):
                plain = folded(piece)
                if plain:
                    kept.setdefault(plain, piece)
        result.append([(piece, plain) for plain, piece in kept.items()])
    return result


def _contained(
    texts: Sequence[TrainingText],
    cut: Sequence[Sequence[tuple[str, str]]],
    plain: Sequence[str],
    rules: LeakRules,
) -> Iterator[Seen]:
    grams = [shingles(question, _CONTAINED_GRAM) for question in plain]
    owners: dict[str, list[int]] = defaultdict(list)
    for question, own in enumerate(grams):
        for gram in own:
            owners[gram].append(question)

    def shared(some: frozenset[str]) -> Counter[int]:
        return Counter(question for gram in some for question in owners.get(gram, ()))

    for place, text in enumerate(texts):
        best: dict[int, tuple[float, str]] = {}
        for reading in (text.text, text.text[::-1], *decoded(text.text)):
            whole = shingles(folded(reading), _CONTAINED_GRAM)
            for question, count in shared(whole).items():
                best[question] = max(
                    best.get(question, (0.0, "")), (count / len(grams[question]), reading.strip())
                )
        for piece, form in cut[place]:
            own = shingles(form, _CONTAINED_GRAM)
            if len(own) >= rules.fewest:
                for question, count in shared(own).items():
                    best[question] = max(best.get(question, (0.0, "")), (count / len(own), piece))
        for question, (share, piece) in best.items():
            if share >= rules.contained:
                yield place, question, LeakKind.CONTAINED, share, rules.contained, piece


def _alike(
    cut: Sequence[Sequence[tuple[str, str]]], plain: Sequence[str], rules: LeakRules
) -> Iterator[Seen]:
    owners = [(place, piece, form) for place, found in enumerate(cut) for piece, form in found]
    sets = [shingles(form, _ALIKE_GRAM) for _, _, form in owners]
    asked = [shingles(question, _ALIKE_GRAM) for question in plain]
    marks, wanted = [minhash(grams) for grams in sets], [minhash(grams) for grams in asked]
    for first, question in meeting_pairs(marks, wanted, _BAND_ROWS):
        if estimated_jaccard(marks[first], wanted[question]) < rules.alike / 2:
            continue
        common = len(sets[first] & asked[question])
        index = common / (len(sets[first]) + len(asked[question]) - common)
        if index >= rules.alike:
            place, piece, _ = owners[first]
            yield place, question, LeakKind.ALIKE, index, rules.alike, piece


def _meant(
    cut: Sequence[Sequence[tuple[str, str]]],
    questions: Sequence[str],
    embedder: Embedder,
    documents: Sequence[str],
    rules: LeakRules,
    on_progress: Listener | None,
) -> Iterator[Seen]:
    known = "\n".join(folded(document) for document in documents)
    holders: dict[str, list[int]] = defaultdict(list)
    shown: dict[str, str] = {}
    read_anyway: dict[str, bool] = {}
    for place, found in enumerate(cut):
        for piece, plain in found:
            if plain not in read_anyway:
                read_anyway[plain] = plain in known
            if read_anyway[plain]:
                continue
            holders[plain].append(place)
            shown.setdefault(plain, piece)
    if not holders:
        return
    space = QuestionSpace(questions, embedder, rules.closeness)
    forms = list(holders)
    for done, near in enumerate(space.nearest([shown[form] for form in forms]), 1):
        if on_progress is not None:
            on_progress(done, len(forms))
        if near is not None and near.is_same:
            form = forms[done - 1]
            for place in holders[form]:
                yield place, near.question, LeakKind.SAME_MEANING, near.closeness, near.bound, shown[form]


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
