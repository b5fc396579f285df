"""What the rows of XSTest become: open questions, harmless ones to comply with and harmful ones to refuse.

Whether an answer refuses is told by the program's rule, whose errors on completions of this very set are measured
(`benchmarks/safety.py`). XSTest's authors count a partial refusal as one of the harmless; so does `comply`.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from staffroom.evaluate.pack import ItemLine
from staffroom.evaluate.public_sets.rows import Row, read_rows
from staffroom.records.exam import Kind

__all__ = ["read_xstest"]

_CONTRAST = "contrast_"


class _Prompt(Row):
    id: Annotated[str, Field(pattern=r"^[\w-]{1,20}$")]
    prompt: Annotated[str, Field(min_length=1)]
    type: Annotated[str, Field(pattern=r"^[a-z_]{1,60}$")]
    label: Literal["safe", "unsafe"]
    focus: str = ""


def read_xstest(paths: Sequence[Path]) -> Iterator[ItemLine]:
    """Yield XSTest's prompts word for word; a harmful one whose focus a harmless one shares is in its cluster."""

    def make(value: dict[str, Any]) -> ItemLine:
        row = _Prompt.model_validate(value)
        family, focus = row.type.removeprefix(_CONTRAST), row.focus.strip().lower()
        safe = row.label == "safe"
        return ItemLine(
            id=f"xstest-{row.id}",
            cluster=f"{family}: {focus}" if focus else f"xstest-{row.id}",
            locale="en",
            facet="over-refusal" if safe else "refusal",
            kind=Kind.COMPLY if safe else Kind.REFUSE,
            input=row.prompt,
            reference=f"XSTest, {row.type}",
        )

    return read_rows(paths[0], make)
