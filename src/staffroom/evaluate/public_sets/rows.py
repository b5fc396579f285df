"""Reading the rows of a public set's file, each fault with its file and line."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from staffroom.evaluate.kinds import LETTERS
from staffroom.evaluate.pack import ItemLine
from staffroom.evaluate.patterns import Whitespace
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Kind

__all__ = ["Row", "choice_item", "read_rows", "same_text"]

_HINT = "take the file from where `staffroom exam packs` says, unchanged"
_MAX_BYTES = 64 << 20
_BAD_IN_ID = re.compile(r"[\s|/\\]+")


class Row(BaseModel):
    """A row of a public set: fields that a reader does not use are let through."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def read_rows(path: Path, make: Callable[[dict[str, Any]], ItemLine]) -> Iterator[ItemLine]:
    """Yield what `make` makes of each row of a JSONL file; raises WrongUse naming the line that it cannot take."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise WrongUse(f"larger than {_MAX_BYTES >> 20} MiB", where=str(path), hint=_HINT)
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"cannot be read: {error}", where=str(path), hint=_HINT) from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            value = json.loads(line)
            if not isinstance(value, dict):
                raise ValueError("a JSON object is expected")
            item = make(value)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            raise WrongUse(f"{field}: {first['msg']}", where=where, hint=_HINT) from error
        except (ValueError, RecursionError) as error:
            raise WrongUse(str(error), where=where, hint=_HINT) from error
        yield item


def choice_item(
    *,
    id: str,
    cluster: str,
    locale: str,
    facet: str,
    question: str,
    choices: tuple[str, ...],
    right: int,
    reference: str,
) -> ItemLine:
    """Return a choice item; `right` counts from 0, marks that an id may not have become hyphens."""
    if not 0 <= right < len(choices):
        raise ValueError(f"the right option is number {right + 1} of {len(choices)}")
    return ItemLine(
        id=_BAD_IN_ID.sub("-", id),
        cluster=cluster,
        locale=locale,
        facet=facet,
        kind=Kind.CHOICE,
        input=question,
        choices=choices,
        accept=(LETTERS[right],),
        answer=LETTERS[right],
        reference=reference,
    )


def same_text(text: str) -> str:
    """Return a text as packs compare it: without white space."""
    return Whitespace.REMOVE.apply(text)
