"""Writing a public set as an exam pack into a private folder of the home; never into the package or a project.

The folder's name holds a digest of its content, so a folder that is there is right, and the same files and limit give
the same pack.
"""

import json
import re
import shutil
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from staffroom.evaluate.kinds import SCORER_VERSIONS
from staffroom.evaluate.pack import ItemLine
from staffroom.evaluate.public_sets.rows import same_text
from staffroom.evaluate.public_sets.sampling import first_by_rule
from staffroom.evaluate.public_sets.sets import PublicSet
from staffroom.records.digests import digest_bytes
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Kind

__all__ = ["write_public_set"]

_LEAST_ITEMS = 10
_PUNCTUATION = re.compile(r"[\s.,:;!?。，、：；！？،؛؟「」『』“”\"'’«»]+")


def write_public_set(one: PublicSet, data: Path, into: Path, limit: int | None = None) -> Path:
    """Return the folder of a pack of the set; it is written where it is not there yet.

    data: the folder with the set's files. into: a private folder that exists. limit: items asked, at least 10.
    All facets are reported, none is gated, and no item is sealed: everybody can know a public set.
    """
    if limit is not None and limit < _LEAST_ITEMS:
        raise WrongUse(f"a limit of {limit} is too small", hint=f"--limit {_LEAST_ITEMS} or more")
    paths = one.paths(data)
    rows = list(one.read(paths))
    items, repeated = _different(rows)
    asked = first_by_rule(items, one.name, limit)
    files = {
        "exam.yaml": _exam(one, asked),
        "items.jsonl": "".join(
            json.dumps(item.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False) + "\n"
            for item in asked
        ),
        "SOURCES.md": _sources(one, asked, len(rows), repeated, limit),
    }
    digest = digest_bytes("\x00".join(f"{name}\x00{text}" for name, text in files.items()).encode())
    folder = into / f"{one.name}-{digest.removeprefix('sha256:')[:16]}"
    if not folder.is_dir():
        _write(folder, files)
    return folder


def _different(rows: Iterable[ItemLine]) -> tuple[list[ItemLine], int]:
    """Return the rows without repeated questions, and how many were left out.

    A question with the same options is asked once, and not at all where its answers differ. One with other options
    gets its cluster put before it.
    """
    first: dict[tuple[str, frozenset[str]], ItemLine] = {}
    right: dict[tuple[str, frozenset[str]], set[str]] = {}
    total = 0
    for row in rows:
        total += 1
        key = (_bare(row.input), frozenset(map(same_text, row.choices)))
        first.setdefault(key, row)
        right.setdefault(key, set()).add(_answer(row))
    kept = [row for key, row in first.items() if len(right[key]) == 1]
    stems = Counter(same_text(row.input) for row in kept)
    named = [
        row.model_copy(update={"input": f"（{row.cluster}）{row.input}"})
        if stems[same_text(row.input)] > 1
        else row
        for row in kept
    ]
    unique = {same_text(row.input): row for row in reversed(named)}
    items = [row for row in named if unique[same_text(row.input)] is row]
    return _with_own_ids(items), total - len(items)


def _bare(text: str) -> str:
    """Return a question without blanks, punctuation, vowel marks and case; the marks of a Winograd pair stay."""
    plain = _PUNCTUATION.sub("", text).casefold()
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


def _with_own_ids(items: list[ItemLine]) -> list[ItemLine]:
    """Return the items; the second of one id (SuperLim's h16aa02) gets `-2` behind it."""
    seen: Counter[str] = Counter()
    kept = []
    for item in items:
        seen[item.id] += 1
        if seen[item.id] > 1:
            item = item.model_copy(update={"id": f"{item.id}-{seen[item.id]}"})
        kept.append(item)
    return kept


def _answer(row: ItemLine) -> str:
    """Return the right option's text, or for an open question what its kind asks for."""
    return row.choices[ord(row.accept[0]) - ord("A")] if row.choices else row.kind.value


def _exam(one: PublicSet, items: list[ItemLine]) -> str:
    facets = "\n".join(
        f"  {json.dumps(name)}: {{gated: false}}" for name in sorted({item.facet for item in items})
    )
    scorers = ", ".join(
        f"{kind.value}: {SCORER_VERSIONS[kind]}" for kind in Kind if any(i.kind is kind for i in items)
    )
    return (
        f"# {one.title}; made from the user's own copy. Public, so nothing is gated and nothing sealed.\n"
        f"name: {one.name}\nversion: 1\nlocale: {one.locale}\ndeclines: []\nfacets:\n{facets}\n"
        f"splits: {{screen: 0.5, gate: 0.5, sealed: 0, seed: {one.name}, stratify: facet}}\n"
        f"scorers: {{{scorers}}}\nwhitespace: single\n"
    )


def _sources(one: PublicSet, items: list[ItemLine], rows: int, repeated: int, limit: int | None) -> str:
    counts = Counter(item.facet for item in items)
    answers = Counter(_answer(item) for item in items if len(item.choices) == 2)
    table = "\n".join(f"| {name} | {count} |" for name, count in sorted(counts.items()))
    lines = [
        f"# {one.title}",
        f"From {one.source}. Terms: {one.license}. The file has {rows} rows; {repeated} repeat or contradict another and are left out.",
        one.mapping,
        f"Chance: {one.chance}."
        + (
            f" Of the two-option items: {', '.join(f'{k} {v}' for k, v in answers.most_common())}."
            if answers
            else ""
        ),
        f"Asked: {len(items)} items"
        + (
            f", the first {limit} by sha256(name | id) with each facet in proportion."
            if limit is not None and limit < rows - repeated
            else ", all of them."
        ),
        f"| facet | items |\n|---|---|\n{table}",
        "Models may have learnt a public set by heart: a good result here proves little, a bad one something.",
    ]
    return "\n\n".join(lines) + "\n"


def _write(folder: Path, files: dict[str, str]) -> None:
    draft = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder.parent))
    try:
        for name, text in files.items():
            (draft / name).write_text(text, encoding="utf-8")
        try:
            draft.replace(folder)
        except OSError:
            # Another process wrote the same content first.
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
