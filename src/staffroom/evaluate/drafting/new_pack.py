"""The files of a new pack from items that a person wrote in plain words."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from staffroom.evaluate.drafting.needs import ALPHA, SHARES, FacetPlanned, plan_facets
from staffroom.evaluate.drafting.plain_items import PlainItem, Wording, item_line, wording_of
from staffroom.evaluate.kinds import SCORER_VERSIONS
from staffroom.evaluate.pack_files import exam_yaml, write_pack_files
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Kind

__all__ = ["lines_of", "write_new_pack"]

_COMMENTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "version": "Count it up with each change.",
        "patterns": "How a worker says that it will not (refusal), and that the documents do not say (silent).",
        "facets": "What is asked. Only a facet with `gated: true` can bar a promotion; it must exceed its threshold.\n"
        "`staffroom exam check` says how many items that takes.",
        "splits": "screen: the race between candidates. gate: decides. sealed: kept for the day it is needed.",
    },
    "zh-TW": {
        "version": "每次修改就加 1。",
        "patterns": "AI 人員怎麼說「不能幫您」（refusal），怎麼說「文件沒有寫」（silent）。",
        "facets": "考哪些面向。只有 gated: true 的面向能擋下錄用，成績要高於 threshold。\n"
        "要幾題才夠，`staffroom exam check` 會說。",
        "splits": "screen：候選模型之間的競賽。gate：決定錄不錄用。sealed：封存不用，留到需要的那一天。",
    },
}
_SOURCES: Mapping[str, tuple[str, str, str]] = {
    "en": (
        "# Where the questions come from",
        "Written with `staffroom exam new`. Each item's `reference` says where its answer stands.",
        "Say here who wrote the questions, who answers for them, and under which licence they may be used.",
    ),
    "zh-TW": (
        "# 題目從哪裡來",
        "用 `staffroom exam new` 寫成。每一題的 `reference` 寫著答案在哪裡。",
        "請在這裡寫下：題目是誰寫的、由誰負責、用什麼授權條款。",
    ),
}


def lines_of(items: Sequence[PlainItem], locale: str) -> list[dict[str, Any]]:
    """Return the lines of items.jsonl; raises WrongUse naming the item that lacks something."""
    wording = wording_of(locale)
    lines: list[dict[str, Any]] = []
    counts: dict[Kind, int] = {}
    for number, item in enumerate(items, 1):
        counts[item.kind] = counts.get(item.kind, 0) + 1
        try:
            lines.append(item_line(item, counts[item.kind], locale, wording))
        except WrongUse as error:
            raise WrongUse(error.message, where=f"question {number}", hint=error.hint) from error
    return lines


def write_new_pack(
    folder: Path, name: str, locale: str, items: Sequence[PlainItem]
) -> tuple[FacetPlanned, ...]:
    """Write a new pack's folder and return its facets with what they still need.

    A pack of very few items is written all the same, though it cannot be loaded yet: nothing that a person wrote is
    lost. Raises WrongUse where the folder is there already, or there is no item.
    """
    if not items:
        raise WrongUse("there is no question yet", hint="write one: staffroom exam new FOLDER")
    lines = lines_of(items, locale)
    planned = plan_facets(lines)
    language = "zh-TW" if locale == "zh-TW" else "en"
    exam = exam_yaml(_fields(name, locale, planned, wording_of(locale)), _COMMENTS[language])
    write_pack_files(folder, exam, lines, "\n\n".join(_SOURCES[language]) + "\n", must_load=False)
    return planned


def _fields(name: str, locale: str, planned: Sequence[FacetPlanned], wording: Wording) -> dict[str, Any]:
    fields: dict[str, Any] = {"name": name, "version": 1, "locale": locale}
    if wording.patterns:
        fields["patterns"] = {role: list(texts) for role, texts in wording.patterns.items()}
    return {
        **fields,
        "declines": [f"(?&{role})" for role in wording.patterns],
        "facets": {
            facet.facet: {"threshold": facet.threshold, "gated": True} if facet.gated else {"gated": False}
            for facet in planned
        },
        "alpha": ALPHA,
        "splits": {**SHARES, "seed": f"{name}-1", "stratify": "kind"},
        "scorers": {facet.facet: SCORER_VERSIONS[Kind(facet.facet)] for facet in planned},
        "whitespace": wording.whitespace.value,
    }
