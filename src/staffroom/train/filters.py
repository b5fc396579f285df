"""Filters of made examples that need no judge: each says why something is dropped, or nothing.

They know the passage, the question and the answers; they know nothing of how these were made.
"""

import math
import re
from collections.abc import Sequence
from enum import StrEnum

from staffroom.text import (
    folded,
    language_of,
    ngram_terms,
    numbers_in,
    shingles,
    simplified_characters,
    wrong_language,
)

__all__ = [
    "DropReason",
    "agree",
    "answer_fault",
    "is_repeated",
    "question_fault",
    "sentences_of",
    "stands_in",
    "supporting_sentence",
]

_QUESTION_LENGTHS = (8, 160)
_ANSWER_LENGTHS = (2, 300)
_ALIKE = 0.6
_GRAM = 3
_AGREEMENT = 0.4
_SUPPORT = 0.35
_SENTENCE = re.compile(r"[^。；;！？!?\n]+[。；;！？!?]*")
_STOP = re.compile(r"(?<=\.)\s+")
_LEAST_SENTENCE = 4
_ASKS = re.compile(r"[?？؟]")
_TELLS_PASSAGE = re.compile(
    r"這一?段|本段|上述|上文|下列|前述|文中|this passage|the passage|the text above", re.I
)


class DropReason(StrEnum):
    """Why a passage gives no example, or a question was dropped."""

    WITHHELD = "withheld"
    """The passage belongs to the exam."""
    NOT_PARSED = "not_parsed"
    """The model did not keep to the form."""
    LENGTH = "length"
    """Too short or too long."""
    LANGUAGE = "language"
    """Not in the locale's language."""
    SCRIPT = "script"
    """Simplified characters where the locale writes Traditional ones."""
    FORM = "form"
    """The question is none, or several; or the answer is one."""
    NAMES_PASSAGE = "names_passage"
    """The question speaks of "this passage", which nobody sees who asks."""
    REPEATED = "repeated"
    """Nearly the same question was kept already."""
    NOT_RETRIEVED = "not_retrieved"
    """The question does not find its own passage among the first."""
    UNANSWERED = "unanswered"
    """By the model's own word the passage does not say."""
    DISAGREEMENT = "disagreement"
    """No two of three samples agree."""
    NOT_IN_PASSAGE = "not_in_passage"
    """The quotation or a number of the answer does not stand in the passage, or the answer shares no words with it."""
    KNOWN_ANYWAY = "known_anyway"
    """The model gives the same answer without the passage."""


def question_fault(question: str, locale: str) -> DropReason | None:
    """Return why a question is of no use by itself: length, form, language, script, or that it speaks of the passage."""
    if not _QUESTION_LENGTHS[0] <= len(question) <= _QUESTION_LENGTHS[1]:
        return DropReason.LENGTH
    if len(_ASKS.findall(question)) != 1 or not _ASKS.search(question[-1]):
        return DropReason.FORM
    if _TELLS_PASSAGE.search(question):
        return DropReason.NAMES_PASSAGE
    return _language_fault(question, locale)


def answer_fault(answer: str, quote: str, question: str, passage: str, locale: str) -> DropReason | None:
    """Return why an answer may not be learnt: form, or that quotation, numbers and words do not come from the passage."""
    if not _ANSWER_LENGTHS[0] <= len(answer) <= _ANSWER_LENGTHS[1]:
        return DropReason.LENGTH
    if _ASKS.search(answer[-1]):
        return DropReason.FORM
    if fault := _language_fault(answer, locale):
        return fault
    if not stands_in(quote, passage):
        return DropReason.NOT_IN_PASSAGE
    known = {*numbers_in(passage), *numbers_in(question)}
    if not known.issuperset(numbers_in(answer)):
        return DropReason.NOT_IN_PASSAGE
    terms = {term for term in ngram_terms(answer) if len(term) > 1}
    if terms and len(terms.intersection(ngram_terms(passage + question))) < _SUPPORT * len(terms):
        return DropReason.NOT_IN_PASSAGE
    return None


def stands_in(quote: str, passage: str) -> bool:
    """Say whether a quotation stands in a passage, blanks, marks and script aside; nothing stands nowhere."""
    plain = folded(quote)
    return bool(plain) and plain in folded(passage)


def supporting_sentence(answer: str, question: str, passage: str) -> str:
    """Return the sentence of a passage that an answer rests on, empty where none does.

    It holds most of the numbers that the answer names of itself, and among those that do, shares most words with the answer.
    """
    numbers = set(numbers_in(answer)) - set(numbers_in(question))
    terms = {term for term in ngram_terms(answer) if len(term) > 1}
    best, best_value = "", (0, 0.0)
    for sentence in sentences_of(passage):
        own = {term for term in ngram_terms(sentence) if len(term) > 1}
        # A long sentence shares some words with anything.
        value = (len(numbers.intersection(numbers_in(sentence))), len(terms & own) / math.sqrt(len(own) or 1))
        if value > best_value:
            best, best_value = sentence, value
    return best if best_value[0] == len(numbers) else ""


def agree(first: str, second: str) -> bool:
    """Say whether two answers say the same: the same numbers, and where there are none, much the same words."""
    numbers = set(numbers_in(first)), set(numbers_in(second))
    if numbers[0] or numbers[1]:
        return numbers[0] == numbers[1]
    terms = set(ngram_terms(first)), set(ngram_terms(second))
    if not terms[0] or not terms[1]:
        return folded(first) == folded(second)
    return len(terms[0] & terms[1]) >= _AGREEMENT * len(terms[0] | terms[1])


def is_repeated(question: str, kept: Sequence[frozenset[str]]) -> bool:
    """Say whether a question shares most of its 3-grams with one of those kept."""
    own = shingles(folded(question), _GRAM)
    return any(len(own & other) >= _ALIKE * len(own | other) for other in kept)


def sentences_of(passage: str) -> list[str]:
    """Return the sentences of a passage, as they stand there."""
    found = [part.strip() for match in _SENTENCE.findall(passage) for part in _STOP.split(match)]
    return [sentence for sentence in found if len(folded(sentence)) >= _LEAST_SENTENCE]


def _language_fault(text: str, locale: str) -> DropReason | None:
    if locale.lower() in ("zh-tw", "zh-hk") and simplified_characters(text):
        return DropReason.SCRIPT
    if wrong_language(text, locale) or (language_of(text) == "zh" and not locale.lower().startswith("zh")):
        return DropReason.LANGUAGE
    if locale.lower().startswith("zh") and not re.search(r"[㐀-鿿]", text):
        return DropReason.LANGUAGE
    return None
