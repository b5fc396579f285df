"""Lines on pages become paragraphs: what PDFs and scans share.

It knows where lines stand and how large they are; it knows nothing of files. Columns are told apart only where the
lines of a page lie wholly in its left or right half; tables without drawn text order stay as they come.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from staffroom.onboard.readers.pieces import Piece, join_lines
from staffroom.onboard.readers.statutes import division_of, list_level
from staffroom.records.documents import BlockKind

__all__ = ["Line", "Page", "drop_furniture", "lay_out"]

_MARGIN = 0.12
_SAME_PLACE = 0.012
_REPEATED = 0.5
_FULL_SLACK = 1.6
_MIN_FULL_EMS = 12
_SENTENCE_ENDS = "。！？!?：:"
_PAGE_NUMBER = re.compile(
    r"[\W_]*(?:第\s*)?(?:page\s*)?(?:[0-9０-９]{1,4}|(?=[ivxl])(?:xl|l?x{0,3})(?:ix|iv|v?i{0,3}))\s*(?:頁)?"
    r"(?:\s*(?:[/／,，]|of|共)\s*(?:共\s*)?[0-9０-９]{1,4}\s*(?:頁)?)?[\W_]*",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"[0-9０-９]+")


@dataclass(frozen=True, slots=True)
class Line:
    """A line of text; coordinates in any unit, x to the right, y downwards from the page's top; size is its height."""

    text: str
    left: float
    right: float
    top: float
    size: float


@dataclass(frozen=True, slots=True)
class Page:
    """The lines of one page in reading order; `number` counts from 1."""

    number: int
    width: float
    height: float
    lines: tuple[Line, ...]


def drop_furniture(pages: Sequence[Page]) -> tuple[Page, ...]:
    """Drop page numbers, and headers and footers that stand at one height on at least half of the pages.

    A heading such as 第7條 at the top of several pages is never taken for one: it repeats only if its number is ignored.
    """
    if len(pages) < 2:
        return tuple(Page(p.number, p.width, p.height, _without_numbers(p)) for p in pages)
    need = max(2, round(_REPEATED * len(pages)))
    exact: Counter[tuple[str, int]] = Counter()
    loose: Counter[tuple[str, int]] = Counter()
    for page in pages:
        edge = [line for line in page.lines if _at_edge(line, page)]
        exact.update({(line.text, _height(line, page)) for line in edge})
        loose.update({(_DIGITS.sub("#", line.text), _height(line, page)) for line in edge})

    def is_furniture(line: Line, page: Page) -> bool:
        if not _at_edge(line, page):
            return False
        place = _height(line, page)
        if max(exact[line.text, place + d] for d in (-1, 0, 1)) >= need:
            return True
        if division_of(line.text) or list_level(line.text):
            return False
        return max(loose[_DIGITS.sub("#", line.text), place + d] for d in (-1, 0, 1)) >= need

    kept = []
    for page in pages:
        lines = tuple(line for line in page.lines if not is_furniture(line, page))
        kept.append(Page(page.number, page.width, page.height, lines))
    return tuple(Page(p.number, p.width, p.height, _without_numbers(p)) for p in kept)


def _at_edge(line: Line, page: Page) -> bool:
    return line.top < _MARGIN * page.height or line.top + line.size > (1 - _MARGIN) * page.height


def _height(line: Line, page: Page) -> int:
    return round(line.top / (page.height * _SAME_PLACE))


def _without_numbers(page: Page) -> tuple[Line, ...]:
    return tuple(
        line
        for line in page.lines
        if not (_at_edge(line, page) and _PAGE_NUMBER.fullmatch(line.text.strip()))
    )


def lay_out(pages: Sequence[Page], *, size_tolerance: float = 0.12) -> list[Piece]:
    """Join lines that were broken at the right margin into paragraphs, also across pages, and find large headings.

    size_tolerance: by what share sizes of one paragraph's lines may differ (more for scans than for PDF text).
    """
    lines = [(page, line) for page in pages for line in page.lines if line.text.strip()]
    if not lines:
        return []
    margins = _right_margins(lines)
    pitch = _usual_pitch(lines, size_tolerance)
    body = median(line.size for _, line in lines for _ in range(max(1, len(line.text) // 8)))
    groups: list[list[tuple[Page, Line]]] = []
    for place, (page, line) in enumerate(lines):
        before = lines[place - 1] if place else None
        if before and _continues(before, (page, line), margins, pitch, size_tolerance):
            groups[-1].append((page, line))
        else:
            groups.append([(page, line)])
    levels = _heading_levels(groups, body, size_tolerance)
    pieces = []
    for group in groups:
        text = ""
        for _, line in group:
            text = join_lines(text, line.text)
        level = levels.get(id(group), 0)
        kind = BlockKind.HEADING if level else BlockKind.PARAGRAPH
        pieces.append(Piece(kind, text, level, group[0][0].number))
    return pieces


def _column(page: Page, line: Line) -> str:
    middle = page.width / 2
    if line.left >= middle - line.size:
        return "right"
    return "left" if line.right <= middle + line.size else "whole"


def _right_margins(lines: Iterable[tuple[Page, Line]]) -> dict[str, float]:
    margins: dict[str, float] = {}
    for page, line in lines:
        column = _column(page, line)
        margins[column] = max(margins.get(column, 0.0), line.right / page.width)
    return margins


def _usual_pitch(lines: Sequence[tuple[Page, Line]], tolerance: float) -> float:
    """Return the usual distance from line to line within a paragraph, in line heights: the lower third of them."""
    distances = sorted(
        (second.top - first.top) / first.size
        for (page, first), (other, second) in itertools.pairwise(lines)
        if page is other and second.top > first.top and _same_size(first, second, tolerance)
    )
    return distances[len(distances) // 4] if distances else 2.0


def _same_size(first: Line, second: Line, tolerance: float) -> bool:
    return abs(first.size - second.size) <= tolerance * max(first.size, second.size)


def _continues(
    before: tuple[Page, Line],
    after: tuple[Page, Line],
    margins: dict[str, float],
    pitch: float,
    tolerance: float,
) -> bool:
    (page, first), (other, second) = before, after
    if not _same_size(first, second, tolerance) or division_of(second.text) or list_level(second.text):
        return False
    if (division := division_of(first.text)) and not division.rest:
        return False
    margin = margins[_column(page, first)] * page.width
    wide = first.right - first.left >= _MIN_FULL_EMS * first.size
    if not wide or first.right < margin - _FULL_SLACK * first.size:
        return False
    indented = second.left > first.left + 1.5 * first.size
    ended = first.text.rstrip()[-1] in _SENTENCE_ENDS
    if page is not other or second.top < first.top:
        return not (ended and (indented or page is not other))
    if (second.top - first.top) / first.size > 1.35 * pitch:
        return False
    return not (ended and indented)


def _heading_levels(
    groups: Sequence[list[tuple[Page, Line]]], body: float, tolerance: float
) -> dict[int, int]:
    """Give short groups in a larger type a level by size, the largest first, at most three."""
    large = {}
    for group in groups:
        size = max(line.size for _, line in group)
        text = "".join(line.text for _, line in group)
        if (
            division_of(text) is None
            and size > body * (1 + max(0.12, 0.75 * tolerance))
            and len(group) <= 3
            and len(text) <= 60
            and text[-1:] not in "。；;，,."
        ):
            large[id(group)] = size
    steps: list[float] = []
    for size in sorted(set(large.values()), reverse=True):
        if not steps or size < steps[-1] * (1 - tolerance / 2):
            steps.append(size)
    return {
        key: 1 + min(2, next(i for i, step in enumerate(steps) if size >= step * (1 - tolerance / 2)))
        for key, size in large.items()
    }
