"""Items as a person says them: a question, its options or its answer, and where the answer stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from staffroom.evaluate.charter import charter_words
from staffroom.evaluate.importing import pattern_of, whitespace_of
from staffroom.evaluate.kinds import LETTERS
from staffroom.evaluate.patterns import Whitespace
from staffroom.evaluate.refusal import refusal_languages
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Kind

__all__ = ["PLAIN_KINDS", "PlainItem", "Wording", "item_line", "plain_item", "wording_of"]

PLAIN_KINDS = (Kind.CHOICE, Kind.SHORT, Kind.UNANSWERABLE, Kind.REFUSE)
_ROLES = ("refusal", "silent")


class PlainItem(BaseModel):
    """One question in plain words.

    options and answer: for choice the options and the right one's letter; for short the answer. also: other ways to
    give a short answer. never: words that make it wrong.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Kind
    question: str = Field(min_length=1, max_length=8000)
    options: tuple[str, ...] = Field((), max_length=len(LETTERS))
    answer: str = Field("", max_length=2000)
    also: tuple[str, ...] = Field((), max_length=20)
    never: tuple[str, ...] = Field((), max_length=20)
    source: str = Field("", max_length=2000)
    note: str = Field("", max_length=4000)


@dataclass(frozen=True, slots=True)
class Wording:
    """How a language says that it will not, and that the documents do not say; empty where nobody wrote it down."""

    patterns: Mapping[str, tuple[str, ...]]
    whitespace: Whitespace

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that can be written in this language without knowing patterns."""
        return PLAIN_KINDS if self.patterns else PLAIN_KINDS[:2]


def wording_of(locale: str) -> Wording:
    """Return what is known of a locale's wording."""
    try:
        words = charter_words(locale)
    except WrongUse:
        return Wording({}, whitespace_of(locale))
    named = {role: words.patterns[f"charter_{role}"] for role in _ROLES}
    return Wording(named, words.whitespace)


def plain_item(value: Any, where: str) -> PlainItem:
    """Return an item from outside data; raises WrongUse naming the field."""
    try:
        return PlainItem.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "(line)"
        raise WrongUse(
            f"{place}: {first['msg']}",
            where=where,
            hint="an item has kind, question, options, answer, also, never, source, note",
        ) from error


def item_line(item: PlainItem, number: int, locale: str, wording: Wording) -> dict[str, Any]:
    """Return the line of items.jsonl for an item; raises WrongUse with what is missing in it."""
    line: dict[str, Any] = {
        "id": f"{item.kind.value}-{number:02d}",
        "kind": item.kind.value,
        "input": item.question.strip(),
    }
    if item.source.strip():
        line["cluster"] = item.source.strip()[:300]
    if item.kind is Kind.CHOICE:
        line |= _choice(item)
    elif item.kind is Kind.SHORT:
        line |= _short(item, wording)
    elif item.kind in wording.kinds:
        line |= _declined(item, locale)
    else:
        raise WrongUse(
            f"{item.kind.value} questions cannot be written without patterns in {locale}",
            hint="write choice or short questions, or write items.jsonl by hand",
        )
    if item.never and item.kind is not Kind.CHOICE:
        line["reject"] = [pattern_of(text, wording.whitespace) for text in item.never if text.strip()]
    line["reference"] = item.source.strip()
    line["note"] = item.note
    return line


def _choice(item: PlainItem) -> dict[str, Any]:
    options = [option.strip() for option in item.options if option.strip()]
    if len(options) < 2:
        raise WrongUse("a choice question needs at least two options", hint="add the missing ones")
    if len({Whitespace.REMOVE.apply(option) for option in options}) != len(options):
        raise WrongUse("two options are the same", hint="change one of them")
    letter = item.answer.strip().upper()
    if len(letter) != 1 or letter not in LETTERS[: len(options)]:
        raise WrongUse(
            f"the right option's letter is one of {', '.join(LETTERS[: len(options)])}",
            hint=f"`{item.answer.strip()[:40]}` is not",
        )
    return {"choices": options, "accept": [letter], "answer": letter}


def _short(item: PlainItem, wording: Wording) -> dict[str, Any]:
    texts = [text.strip() for text in (item.answer, *item.also) if text.strip()]
    if not item.answer.strip():
        raise WrongUse("the answer is missing", hint="write it as you would like to read it")
    return {
        "accept": [pattern_of(text, wording.whitespace) for text in dict.fromkeys(texts)],
        "answer": item.answer.strip(),
    }


def _declined(item: PlainItem, locale: str) -> dict[str, Any]:
    by_rule = item.kind is Kind.REFUSE and locale.partition("-")[0] in {
        known.partition("-")[0] for known in refusal_languages()
    }
    if by_rule:
        return {"accept": []}
    return {"accept": ["(?&silent)"] if item.kind is Kind.UNANSWERABLE else ["(?&refusal)"]}
