"""From what was imported to a pack on disk."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from staffroom.evaluate.checks import alike_pairs
from staffroom.evaluate.importing.imported import Imported
from staffroom.evaluate.importing.questions import whitespace_of
from staffroom.evaluate.kinds import SCORER_VERSIONS
from staffroom.evaluate.pack import ExamPack, load_pack
from staffroom.evaluate.pack_files import exam_yaml, write_pack_files
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Kind

__all__ = ["make_pack"]

_MOST_NAMED = 10
_MOST_LISTED = 200
_ALIKE = 0.7
_MOST_JOINED = 0.1
_SHARES: Mapping[str, float] = {"screen": 0.2, "gate": 0.4, "sealed": 0.4}


def make_pack(imported: Imported, folder: Path, *, name: str = "", skip: bool = False) -> ExamPack:
    """Write a pack and load it; its facets are reported, not gated, until a person sets thresholds.

    skip: leave out rows that are no items, and list them in SOURCES.md; else they are an error that names them.
    Raises WrongUse where nothing is left, or the folder is there already.
    """
    if imported.left and not skip:
        raise WrongUse("\n".join(_named(imported)), hint="correct the rows, or leave them out with --skip")
    items, twice = _distinct(_clustered(imported))
    if not items:
        raise WrongUse("no row is an item", where=imported.source, hint="look at the rows that were left out")
    if twice and not skip:
        raise WrongUse(
            f"{len(twice)} rows ask what another row asks: {', '.join(twice[:_MOST_NAMED])}",
            where=imported.source,
            hint="take them out, or leave them out with --skip",
        )
    exam = exam_yaml(_fields(imported, name or imported.name), _comments(imported))
    write_pack_files(folder, exam, items, "\n".join(_sources(imported, twice)) + "\n")
    return load_pack(folder)


def _fields(imported: Imported, name: str) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": name,
        "version": 1,
        "locale": imported.locale,
        "declines": [],
        "facets": {facet: {"gated": False} for facet in imported.facets},
        "alpha": 0.05,
        "splits": {**_SHARES, "seed": f"{name}-1", "stratify": "kind"},
        "scorers": {kind: SCORER_VERSIONS[Kind(kind)] for kind in imported.kinds},
        "whitespace": whitespace_of(imported.locale).value,
    }
    if imported.asking != "worker":
        fields["asking"] = imported.asking
        if imported.delimiter:
            fields["delimiter"] = imported.delimiter
        if imported.max_tokens is not None:
            fields["max_tokens"] = imported.max_tokens
    if imported.rule is not None:
        fields["match"] = imported.rule.model_dump(mode="json", exclude_defaults=True)
    return fields


def _comments(imported: Imported) -> Mapping[str, str]:
    return {
        "declines": "Patterns of an answer that declines. Without any, a declined answer counts as a wrong one.",
        "facets": "Reported, not gated: set `threshold` and `gated: true` where a facet shall bar a promotion.\n"
        "`staffroom exam check` says how many items that takes.",
        "splits": "Which items the race asks, which the gate, and which nobody sees yet; the seed decides.",
        "asking": "The inputs are prompts for a bare model, letter by letter; a worker cannot be asked them.",
        "match": "How the answer is taken out of a response and compared with the targets.",
    }


def _sources(imported: Imported, twice: list[str]) -> Iterator[str]:
    yield "# Sources"
    yield ""
    yield from imported.notes
    yield ""
    yield "Say here who wrote the questions, and under which licence they may be used."
    if imported.left or twice:
        yield ""
        yield f"Left out: {len(imported.left)} rows that are no items, {len(twice)} that ask what another asks."
        yield from (f"- line {left.line}: {left.reason}" for left in imported.left[:_MOST_LISTED])
        yield from (f"- {item}" for item in twice[:_MOST_LISTED])


def _named(imported: Imported) -> Iterator[str]:
    for left in imported.left[:_MOST_NAMED]:
        yield f"{imported.source}:{left.line}: {left.reason}"
    if len(imported.left) > _MOST_NAMED:
        yield f"... and {len(imported.left) - _MOST_NAMED} more of {len(imported.items) + len(imported.left)} rows"


def _clustered(imported: Imported) -> list[Mapping[str, Any]]:
    """Give items that ask nearly the same one cluster, so that they stay in one split.

    Not where that would join more than a tenth of the items: then the questions are made to one pattern, and nobody
    but their author can say which belong together.
    """
    texts = [
        "\n".join([question, *sorted(item.get("choices", ()))])
        for item, question in zip(imported.items, imported.questions, strict=True)
    ]
    first = list(range(len(texts)))
    for pair in alike_pairs(texts, _ALIKE):
        low, high = sorted((_root(first, pair.first), _root(first, pair.second)))
        first[high] = low
    groups = Counter(_root(first, place) for place in range(len(first)))
    if max(groups.values(), default=0) > max(2, len(first) * _MOST_JOINED):
        return list(imported.items)
    return [
        item
        if item.get("cluster") or groups[_root(first, place)] == 1
        else {**item, "cluster": str(imported.items[_root(first, place)]["id"])}
        for place, item in enumerate(imported.items)
    ]


def _root(first: list[int], place: int) -> int:
    while first[place] != place:
        first[place] = first[first[place]]
        place = first[place]
    return place


def _distinct(items: list[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], list[str]]:
    seen: set[str] = set()
    kept: list[Mapping[str, Any]] = []
    twice: list[str] = []
    for item in items:
        asked = "".join("\n".join([str(item["input"]), *sorted(item.get("choices", ()))]).split())
        (twice.append(str(item["id"])) if asked in seen else kept.append(item))
        seen.add(asked)
    return kept, twice
