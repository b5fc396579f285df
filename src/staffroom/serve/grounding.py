"""Deterministic checks of an answer against the excerpts it rests on, and its citations.

1. a number in the answer stands in an excerpt or in the question, whatever its notation (十五, 15, １５);
2. where the question asks for a quantity, the first sentence must name one of that kind, or it is not an answer.

It knows nothing of meaning: a false sentence without numbers passes.
"""

import re
from collections.abc import Sequence

from staffroom.records.agent import Citation, Retrieved
from staffroom.records.policy import PromptBook
from staffroom.text.ngrams import ngram_terms
from staffroom.text.numbers import numbers_in
from staffroom.text.quantities import asked_quantities, names_quantity

__all__ = [
    "Grounding",
    "asks_for_quantity",
    "cite",
    "excerpt_window",
    "plain_marks",
    "sentences",
    "shown_excerpts",
    "split_sentence",
]

_MARK = re.compile(r"[【\[]\s*(\d{1,2})\s*[】\]]")
_SENTENCE_END = re.compile(r"[。！？!?；;\n]|\.(?=\s)")
_QUANTITY_ZH = re.compile(r"多少|幾(?!乎)|多久|多長|多大年紀|百分之幾|何時(?:以前|之前)|期限")
_QUANTITY_EN = re.compile(
    r"\bhow (?:much|many|long|old|often|far)\b|\bwhat (?:percentage|share|fee|fine|amount)\b", re.I
)
_QUOTE_CHARACTERS = 200


def asks_for_quantity(question: str) -> bool:
    """Say whether a question asks for an amount, a number, a period or a share."""
    return bool(_QUANTITY_ZH.search(question) or _QUANTITY_EN.search(question))


def split_sentence(text: str) -> tuple[str, str]:
    """Split a growing text after its last finished sentence: (finished, rest); finished may be empty."""
    ends = [match.end() for match in _SENTENCE_END.finditer(text)]
    if not ends:
        return "", text
    end = ends[-1]
    while (mark := _MARK.match(text, end)) is not None:
        end = mark.end()
    return text[:end], text[end:]


def excerpt_window(text: str, focus: int, limit: int) -> str:
    """Return at most `limit` characters of a chunk: its beginning, and where that does not reach, the lines from
    `focus` on below the first line, because a list without what it is a list of says little.
    """
    plain = text.strip()
    if len(plain) <= limit:
        return plain
    first, _, _ = plain.partition("\n")
    head = first[: limit // 3]
    room = limit - len(head) - 2
    lead = len(text) - len(text.lstrip())
    start = max(0, focus - lead)
    if start <= len(head) + 1 or start + room // 2 <= limit:
        return plain[:limit]
    return f"{head}\n…{plain[min(start, len(plain) - room) :][:room]}"


def shown_excerpts(book: PromptBook, found: Sequence[Retrieved], limit: int) -> str:
    """Return chunks as the model is shown them, at most `limit` characters of each."""
    return "\n".join(
        book.excerpt.format(
            number=number,
            heading=" ".join(item.heading_path) or item.document_name,
            text=excerpt_window(item.text, item.focus, limit),
        )
        for number, item in enumerate(found, start=1)
    )


class Grounding:
    """What the excerpts of one question allow an answer to say."""

    def __init__(self, question: str, found: Sequence[Retrieved]) -> None:
        self._question = question
        self._found = tuple(found)
        self._allowed = set(numbers_in(question))
        for item in found:
            self._allowed.update(numbers_in(item.text))
            self._allowed.update(numbers_in(" ".join(item.heading_path)))
        self._wants_number = asks_for_quantity(question)
        self._kinds = asked_quantities(question)
        self._first = True

    def objection(self, sentence: str) -> str:
        """Return why a sentence may not be released, or an empty string."""
        bare = _MARK.sub("", sentence)
        if not bare.strip():
            return ""
        numbers = numbers_in(bare)
        strange = [number for number in numbers if number not in self._allowed]
        if strange:
            return f"the number {strange[0]} stands in no excerpt"
        first, self._first = self._first, False
        if first and not self._answers(bare, numbers):
            return "the question asks for a quantity and the answer names none of that kind"
        return ""

    def _answers(self, text: str, numbers: Sequence[str]) -> bool:
        """Say whether a text names what was asked for: one of the kinds of quantity, or any number where no kind is known."""
        if self._kinds:
            return any(names_quantity(text, kind) for kind in self._kinds)
        return bool(numbers) or not self._wants_number

    def best_quote(self) -> str | None:
        """Return the sentence of the excerpts that shares most words with the question, as a quotation.

        None where the question asks for a quantity and no such sentence names one.
        """
        wanted = {term for term in ngram_terms(self._question) if len(term) > 1}
        best: tuple[float, str, int] | None = None
        for number, item in enumerate(self._found, start=1):
            for sentence in sentences(item.text):
                if not self._answers(sentence, numbers_in(sentence)):
                    continue
                terms = {term for term in ngram_terms(sentence) if len(term) > 1}
                score = len(wanted & terms) / (1 + len(terms)) ** 0.5 / number**0.25
                if terms and (best is None or score > best[0]):
                    best = (score, sentence, number)
        if best is None or best[0] <= 0:
            return None
        # A document's own [7] would read as a citation.
        return f"「{_MARK.sub('', best[1])[:_QUOTE_CHARACTERS].strip()}」[{best[2]}]"


def plain_marks(text: str, excerpts: int) -> str:
    """Turn marks such as 【1】 into [1]; a mark of an excerpt that was not shown is dropped."""
    shown = _MARK.sub(
        lambda mark: f"[{int(mark.group(1))}]" if 1 <= int(mark.group(1)) <= excerpts else "", text
    )
    return re.sub(r"[ \t]+(?=[。，；！？])", "", shown)


def cite(text: str, found: Sequence[Retrieved]) -> tuple[str, tuple[Citation, ...]]:
    """Return an answer with its citations, numbered as the excerpts were; `text` has marks [n].

    Where it has none, the excerpt that shares most words with it is cited, and its mark is put at the end. A
    citation opens at the sentence of its chunk that shares most words with the answer.
    """
    marks = {int(mark.group(1)) for mark in _MARK.finditer(text)}
    named = sorted(number for number in marks if 1 <= number <= len(found))
    if not named and found:
        named = [_closest(text, found)]
        text = f"{text} [{named[0]}]"
    return text, tuple(_citation(number, found[number - 1], text) for number in named)


def _closest(text: str, found: Sequence[Retrieved]) -> int:
    wanted = {term for term in ngram_terms(text) if len(term) > 1}
    shares = [len(wanted & set(ngram_terms(item.text))) for item in found]
    return shares.index(max(shares)) + 1


def _citation(number: int, item: Retrieved, answer: str) -> Citation:
    wanted = {term for term in ngram_terms(answer) if len(term) > 1}
    quote, best = "", -1.0
    for sentence in sentences(item.text):
        terms = {term for term in ngram_terms(sentence) if len(term) > 1}
        score = len(wanted & terms) / (1 + len(terms)) ** 0.5
        if score > best:
            quote, best = sentence, score
    offset = item.text.find(quote) if quote else 0
    start = item.start + max(offset, 0)
    return Citation(
        number=number,
        chunk_id=item.chunk_id,
        document=item.document_name,
        document_digest=item.document_digest,
        heading=" ".join(item.heading_path),
        page=item.page,
        start=start,
        end=start + len(quote) if quote else item.end,
        quote=quote,
        as_of=item.as_of,
    )


def sentences(text: str) -> list[str]:
    """Return the sentences and lines of a text, without blanks around them."""
    return [part.strip() for part in re.split(r"(?<=[。！？；\n])|(?<=\.)\s", text) if part.strip()]
