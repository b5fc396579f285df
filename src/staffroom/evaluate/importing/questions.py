"""From rows with a question and an answer to items: a choice where there are options, else an open question."""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from staffroom.evaluate.importing.columns import Columns, find_columns, known_columns
from staffroom.evaluate.importing.imported import Imported, Left, pack_name
from staffroom.evaluate.kinds import LETTERS
from staffroom.evaluate.patterns import MAX_PATTERN_CHARS, Whitespace
from staffroom.records.errors import WrongUse
from staffroom.records.rows import Row, read_csv_rows, read_json_rows
from staffroom.records.source_text import SourceText, read_source

__all__ = ["import_questions", "pattern_of", "whitespace_of"]

_LETTER = re.compile(r"[(\[]?([A-J])[)\].:、]?", re.IGNORECASE)
_NUMBER = re.compile(r"[(\[]?(\d{1,2})[)\].:、]?")
_WITHOUT_SPACES = ("zh", "ja", "th", "lo", "km", "my")
_IDS = re.compile(r"[\s|/\\]+")
_HINT = "rename the columns, or write the options as A, B, C, D and the right one's letter under `answer`"


class _Bad(Exception):
    """A row that is no item, and why."""


def import_questions(
    path: Path,
    *,
    locale: str,
    encoding: str = "",
    delimiter: str = "",
    answers_from: int | None = None,
    columns: Mapping[str, str] | None = None,
    name: str = "",
) -> Imported:
    """Return the items of a CSV, TSV, JSON or JSON-lines file of questions and answers.

    columns: names of columns by their role, where they are not the usual ones.
    answers_from: whether answers that are numbers count the options from 0 or from 1, where the file does not show it.
    An open question's answer becomes a pattern that finds it in a longer answer; its blanks do not count.
    Raises WrongUse where columns are missing or numbers could mean two things.
    """
    source = read_source(path, encoding=encoding, locale=locale)
    rows = _rows(source, delimiter)
    names = list(dict.fromkeys(key for row in rows for key in row.values))
    found = _needed(_named(find_columns(names), columns or {}, names, path), path)
    first = _first_number(rows, found, path) if answers_from is None else answers_from
    whitespace = whitespace_of(locale)
    prefix = pack_name(name or path.stem)
    items: list[dict[str, Any]] = []
    left: list[Left] = []
    seen: set[str] = set()
    for number, row in enumerate(rows, 1):
        try:
            item = _item(row, found, first, f"{prefix}-{number}", path.name, whitespace)
        except _Bad as error:
            left.append(Left(row.line, str(error)))
            continue
        if item["id"] in seen:
            left.append(Left(row.line, f"the id {item['id']} is there twice"))
            continue
        seen.add(item["id"])
        items.append(item)
    return Imported(
        name=prefix,
        locale=locale,
        items=tuple(items),
        questions=tuple(str(item["input"]) for item in items),
        facets=tuple(dict.fromkeys(str(item["kind"]) for item in items)),
        left=tuple(left),
        notes=tuple(_notes(source, found, rows)),
        source=path.name,
        details={"encoding": source.encoding, "columns": _found(found)},
    )


def pattern_of(answer: str, whitespace: Whitespace) -> str:
    """Return a pattern that finds an answer in a text as the pack sees it: whole numbers, and whole words in lines."""
    plain = whitespace.apply(unicodedata.normalize("NFC", answer))
    if not plain:
        raise ValueError("an empty answer is found everywhere")
    before = r"(?<![0-9.,])" if plain[0].isdigit() else ""
    after = r"(?![0-9]|[.,][0-9])" if plain[-1].isdigit() else ""
    if whitespace is Whitespace.SINGLE:
        before = before or (r"(?<!\w)" if plain[0].isalnum() else "")
        after = after or (r"(?!\w)" if plain[-1].isalnum() else "")
    body = f"{before}{re.escape(plain)}{after}"
    return f"(?i:{body})" if plain.lower() != plain.upper() else body


def _rows(source: SourceText, delimiter: str) -> list[Row]:
    suffix = source.path.suffix.lower()
    if suffix in (".json", ".jsonl", ".ndjson"):
        return read_json_rows(source)
    if suffix in (".csv", ".tsv", ".txt"):
        return read_csv_rows(source, delimiter=delimiter, fits=known_columns)
    raise WrongUse(
        f"`{suffix or 'no ending'}` is not imported (.csv, .tsv, .json, .jsonl and lm-eval's .yaml are)",
        where=str(source.path),
        hint="save the table as CSV",
    )


def whitespace_of(locale: str) -> Whitespace:
    """Return how whitespace is treated in a locale's answers: languages without spaces between words lose it."""
    return Whitespace.REMOVE if locale.partition("-")[0] in _WITHOUT_SPACES else Whitespace.SINGLE


def _named(columns: Columns, given: Mapping[str, str], names: Sequence[str], path: Path) -> Columns:
    roles = {"question", "answer", "choices", "id", "cluster", "reference", "note", "tag"}
    for role, name in given.items():
        if role not in roles or name not in names:
            what = f"`{role}` is no role" if role not in roles else f"there is no column `{name}`"
            raise WrongUse(
                what, where=str(path), hint=f"--column ROLE=NAME, ROLE one of {', '.join(sorted(roles))}"
            )
    others = tuple(name for name in columns.others if name not in given.values())
    chosen: dict[str, Any] = {**given, "others": others}
    return replace(columns, **chosen)


def _needed(columns: Columns, path: Path) -> Columns:
    for role, name in (("question", columns.question), ("answer", columns.answer)):
        if not name:
            there = ", ".join((*columns.options, *columns.others)[:12]) or "none that is understood"
            raise WrongUse(f"no column is named `{role}` (there is: {there})", where=f"{path}:1", hint=_HINT)
    return columns


def _first_number(rows: Sequence[Row], columns: Columns, path: Path) -> int:
    """Return whether options are counted from 0 or 1, as the numbers in the answers show; raises where they do not."""
    numbers, most = set(), 0
    for row in rows:
        options = _options(row, columns)
        value = row.values.get(columns.answer)
        text = str(value).strip() if value is not None else ""
        if options and _NUMBER.fullmatch(text) and text not in [option.strip() for option in options]:
            numbers.add(int(text.strip("()[].:、")))
            most = max(most, len(options))
    if not numbers or 0 in numbers:
        return 0
    if max(numbers) >= most:
        return 1
    raise WrongUse(
        "the answers are numbers, and it does not show whether they count from 0 or from 1",
        where=str(path),
        hint="say --answers-from 0 or --answers-from 1",
    )


def _item(
    row: Row, columns: Columns, first: int, identity: str, file: str, whitespace: Whitespace
) -> dict[str, Any]:
    question = _text(row, columns.question).strip()
    if not question:
        raise _Bad("the question is blank")
    options = _options(row, columns)
    given = _IDS.sub("-", _text(row, columns.id).strip())[:100] if columns.id else ""
    item: dict[str, Any] = {"id": given or identity}
    if columns.cluster and (cluster := _text(row, columns.cluster).strip()):
        item["cluster"] = cluster[:300]
    if options:
        item |= _choice(question, options, row.values.get(columns.answer), first)
    else:
        item |= _open(question, row.values.get(columns.answer), whitespace)
    reference = _text(row, columns.reference).strip() if columns.reference else ""
    item["reference"] = reference[:2000] or f"{file}, line {row.line}"
    if columns.note and (note := _text(row, columns.note).strip()):
        item["note"] = note[:4000]
    if columns.tag and (tag := _text(row, columns.tag).strip()):
        item["tags"] = [tag[:50]]
    return item


def _choice(question: str, options: Sequence[str], answer: Any, first: int) -> dict[str, Any]:
    if not 2 <= len(options) <= len(LETTERS):
        raise _Bad(f"{len(options)} options (2 to {len(LETTERS)} can be asked)")
    if any(not option for option in options):
        raise _Bad("an option is blank")
    if len({Whitespace.REMOVE.apply(option) for option in options}) != len(options):
        raise _Bad("two options are the same")
    place = _place(options, answer, first)
    return {"kind": "choice", "input": question, "choices": list(options), "accept": [LETTERS[place]]}


def _place(options: Sequence[str], answer: Any, first: int) -> int:
    text = unicodedata.normalize("NFKC", str(answer)).strip() if answer is not None else ""
    same = [
        place for place, option in enumerate(options) if unicodedata.normalize("NFKC", option).strip() == text
    ]
    if same and text:
        return same[0]
    if letter := _LETTER.fullmatch(text):
        place = LETTERS.index(letter[1].upper())
    elif number := _NUMBER.fullmatch(text):
        place = int(number[1]) - first
    else:
        raise _Bad(f"the answer {text[:40]!r} is neither an option nor its letter")
    if not 0 <= place < len(options):
        raise _Bad(f"the answer {text[:40]!r} names none of the {len(options)} options")
    return place


def _open(question: str, answer: Any, whitespace: Whitespace) -> dict[str, Any]:
    texts = [
        str(part).strip() for part in (answer if isinstance(answer, list) else [answer]) if part is not None
    ]
    texts = [text for text in dict.fromkeys(texts) if text]
    if not texts:
        raise _Bad("the answer is blank")
    patterns = [pattern_of(text, whitespace) for text in texts]
    if any(len(pattern) > MAX_PATTERN_CHARS for pattern in patterns) or len(patterns) > 64:
        raise _Bad("the answer is too long to be looked for")
    return {"kind": "short", "input": question, "accept": patterns, "answer": texts[0]}


def _options(row: Row, columns: Columns) -> list[str]:
    if columns.choices:
        return _listed(row.values.get(columns.choices))
    options = [_text(row, name).strip() for name in columns.options]
    while options and not options[-1]:
        options.pop()
    return options


def _listed(value: Any) -> list[str]:
    """Return the options of one value: a list, a list in a text, {A: …, B: …}, or {text: […], label: […]}."""
    if isinstance(value, str) and value.strip().startswith(("[", "{")):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise _Bad(f"the options are no list: {str(value)[:60]!r}") from error
    if isinstance(value, Mapping):
        value = value["text"] if isinstance(value.get("text"), list) else list(value.values())
    if value is None or value == "":
        return []
    if not isinstance(value, list) or not all(isinstance(option, (str, int, float)) for option in value):
        raise _Bad("the options are no list of texts")
    return [str(option).strip() for option in value]


def _text(row: Row, name: str) -> str:
    value = row.values.get(name)
    if isinstance(value, (dict, list)):
        raise _Bad(f"`{name}` is no text")
    return "" if value is None else str(value)


def _found(columns: Columns) -> dict[str, Any]:
    roles = ("question", "answer", "choices", "id", "cluster", "reference", "note", "tag")
    named = {role: getattr(columns, role) for role in roles if getattr(columns, role)}
    return {**named, "options": list(columns.options)} if columns.options else named


def _notes(source: SourceText, columns: Columns, rows: Sequence[Row]) -> list[str]:
    parts = [f"{role} from `{name}`" for role, name in _found(columns).items() if role != "options"]
    if columns.options:
        parts.append(f"options from {', '.join(f'`{name}`' for name in columns.options)}")
    notes = [f"Imported from `{source.path.name}` ({len(rows)} rows, {source.encoding}): {'; '.join(parts)}."]
    if columns.others:
        notes.append(f"Columns left out: {', '.join(f'`{name}`' for name in columns.others)}.")
    return notes
