"""Tables and lists of facts; on a narrow screen a row becomes a card, whose cells carry their column's name.

Roles are written out, because a browser forgets that a table is one when its rows are drawn as blocks.
"""

from collections.abc import Iterable, Sequence

from staffroom.cli.report.figures import NONE
from staffroom.cli.report.markup import Html, tag

__all__ = ["facts", "numeric", "table"]


def numeric(label: str) -> tuple[str, bool]:
    """Return the head of a column of numbers."""
    return label, True


def table(
    caption: str,
    columns: Sequence[str | tuple[str, bool]],
    rows: Iterable[Sequence[str]],
    *,
    class_: str = "",
) -> Html:
    """Return a table; the first cell of a row is its head, and an empty cell is not drawn as a card's line."""
    heads = [column if isinstance(column, tuple) else (column, False) for column in columns]
    head = tag(
        "tr",
        *(
            tag("th", label, scope="col", role="columnheader", class_="number" if right else None)
            for label, right in heads
        ),
        role="row",
    )
    body = [
        tag(
            "tr",
            *(_cell(place, cell, *heads[place]) for place, cell in enumerate(row)),
            role="row",
        )
        for row in rows
    ]
    return tag(
        "table",
        tag("caption", caption),
        tag("thead", head, role="rowgroup"),
        tag("tbody", *body, role="rowgroup"),
        role="table",
        class_=class_ or None,
    )


def facts(rows: Iterable[tuple[str, str]]) -> Html:
    """Return a list of terms with what holds for each; a term without a value is left out."""
    return tag(
        "dl",
        *(tag("div", tag("dt", term), tag("dd", value)) for term, value in rows if value),
        class_="facts",
    )


def _cell(place: int, content: str, label: str, right: bool) -> Html:
    if place == 0:
        return tag("th", content, scope="row", role="rowheader")
    return tag("td", content, role="cell", class_=_class(content, right), data_label=label)


def _class(content: str, right: bool) -> str | None:
    return " ".join(["number"] * right + ["none"] * (content == NONE)) or None
