"""The files of a pack that follow from its accepted drafts: exam.yaml and the authors' list of SOURCES.md.

What people wrote in them stays as it is: exam.yaml keeps its comments and values, SOURCES.md all outside two marks.
"""

import io
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from staffroom.evaluate.charter import CharterWords
from staffroom.evaluate.kinds import SCORER_VERSIONS
from staffroom.records.exam import Kind
from staffroom.store import write_durably

__all__ = ["new_exam_file", "sync_exam_file", "sync_sources"]

_BEGIN, _END = "<!-- drafts: made by staffroom exam draft -->", "<!-- /drafts -->"
_NAMED = re.compile(r"\(\?&([a-z][a-z0-9_]*)\)")


def new_exam_file(name: str, words: CharterWords) -> bytes:
    """Return the exam.yaml of a new charter pack: every facet is reported, none is gated."""
    exam = CommentedMap()
    exam["name"] = name
    exam["version"] = 1
    exam["locale"] = words.locale
    exam["patterns"] = {name: list(texts) for name, texts in words.patterns.items()}
    exam["declines"] = [f"(?&{name})" for name in list(words.patterns)[:2]]
    exam["facets"] = {}
    exam["alpha"] = 0.05
    exam["splits"] = {"screen": 0.2, "gate": 0.6, "sealed": 0.2, "seed": f"{name}-1", "stratify": "facet"}
    exam["scorers"] = {}
    exam["whitespace"] = words.whitespace.value
    return _dumped(exam)


def sync_exam_file(
    path: Path, lines: Sequence[Mapping[str, Any]], words: CharterWords, *, count_up: bool
) -> None:
    """Add the facets (not gated), scorers and named patterns that lines need and the file lacks.

    count_up: raise `version` by one if anything changes the pack.
    """
    exam = _yaml().load(path.read_text(encoding="utf-8"))
    for name in ("facets", "scorers"):
        exam[name] = (
            exam[name] or CommentedMap()
        )  # an empty one is read back as {}, and would stay on one line
    for line in lines:
        kind = Kind(line["kind"])
        exam["facets"].setdefault(line.get("facet") or kind.value, {"gated": False})
        exam["scorers"].setdefault(kind.value, SCORER_VERSIONS[kind])
        for text in (*line.get("accept", ()), *line.get("reject", ())):
            for name in _NAMED.findall(text):
                if name in words.patterns and name not in exam.setdefault("patterns", CommentedMap()):
                    exam["patterns"][name] = list(words.patterns[name])
    if count_up:
        exam["version"] = int(exam["version"]) + 1
    write_durably(path, _dumped(exam))


def sync_sources(path: Path, rows: Iterable[Mapping[str, Any]], words: CharterWords) -> None:
    """Write who accepted which drafts, when and after which charter, between two marks of SOURCES.md."""
    groups: dict[tuple[str, str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["date"], row["office"], row["charter"]].append(row)
    listed = [_BEGIN, f"## {words.sources_title}", "", words.sources_note, ""]
    for (day, office, charter), own in sorted(groups.items()):
        listed.append(
            words.sources_line.format(
                date=day,
                office=office,
                charter=charter,
                count=len(own),
                edited=sum(bool(row.get("edited")) for row in own),
                ids=_ids(own),
            )
        )
        by_model: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for row in own:
            if row["by"].startswith("model "):
                by_model[row["by"].removeprefix("model ")].append(row)
        listed += [
            words.sources_model.format(count=len(worded), model=model, office=office, ids=_ids(worded))
            for model, worded in sorted(by_model.items())
        ]
    block = "\n".join([*listed, _END]) + "\n"
    text = path.read_text(encoding="utf-8-sig") if path.exists() else ""
    start, end = text.find(_BEGIN), text.find(_END)
    if 0 <= start < end:
        text = text[:start] + block + text[end + len(_END) :].lstrip("\n")
    else:
        text = f"{text.rstrip()}\n\n{block}".lstrip("\n")
    write_durably(path, text.encode())


def _ids(rows: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(name for row in rows for name in row["items"])


def _yaml() -> YAML:
    yaml = YAML(typ="rt")
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _dumped(exam: Any) -> bytes:
    stream = io.BytesIO()
    _yaml().dump(exam, stream)
    return stream.getvalue()
