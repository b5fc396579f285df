"""Charts as inline SVG: positions in per cent and sizes in pixels, so that they stretch with the page and their strokes do not.

A chart is a list whose rows say in words what the drawing shows; each drawing has a text of its own for those who cannot see it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from staffroom.cli.report.figures import Voice, interval, score
from staffroom.cli.report.markup import Html, join, tag

__all__ = ["bar_row", "chart", "interval_row", "key", "zones_row"]

_TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


def chart(rows: Iterable[Html], caption: str, legend: str = "", *, axis: bool = True) -> Html:
    """Return a figure of rows over an axis from 0 to 1."""
    lines = [*rows, *([_axis()] if axis else [])]
    said = [tag("span", caption, class_="caption"), *([legend] if legend else [])]
    return tag("figure", tag("figcaption", *said), tag("ol", *lines, class_="chart"))


def key(t: Voice, marks: Sequence[tuple[str, str]]) -> Html:
    """Return a legend: each mark with what it means."""
    return tag(
        "span", *(tag("span", _mark(mark), text, class_="key") for mark, text in marks), class_="legend"
    )


def interval_row(t: Voice, label: str, row: Mapping[str, Any], state: str, *, note: str = "") -> Html:
    """Return a dot with its interval, and the threshold where there is one; state colours and shapes the dot."""
    threshold = row.get("threshold")
    said = t("{score}, 95 % interval {interval}", score=score(row.get("score")), interval=interval(row))
    spoken = (
        said
        if threshold is None
        else t("{said}, threshold {threshold}", said=said, threshold=f"{threshold:g}")
    )
    drawn = [_line("axis", 0, 1, 15, 15), *(_line("grid", at, at, 4, 26) for at in _TICKS)]
    if row.get("low") is not None and row.get("high") is not None:
        low, high = _unit(row["low"]), _unit(row["high"])
        drawn += [_line("interval", low, high, 15, 15)]
        drawn += [_line("cap", at, at, 9, 21) for at in (low, high)]
    if threshold is not None:
        drawn.append(_line("threshold", _unit(threshold), _unit(threshold), 0, 30))
    if row.get("score") is not None:
        drawn.append(_dot(_unit(row["score"])))
    picture = _picture(f"track {state}", 30, spoken, drawn)
    return _row(
        label,
        picture,
        tag("span", score(row.get("score")), class_="strong"),
        tag("span", interval(row)) if row.get("score") is not None else "",
        note,
    )


def bar_row(label: str, share: float, spoken: str, figure: str, state: str) -> Html:
    """Return a bar over its full length; share: of the longest, from 0 to 1."""
    drawn = [
        tag("rect", class_="whole", x="0%", y=4, width="100%", height=10, rx=5),
        tag("rect", class_="filled", x="0%", y=4, width=_percent(share), height=10, rx=5),
    ]
    return _row(label, _picture(f"bar {state}", 18, spoken, drawn), tag("span", figure), "", "")


def zones_row(t: Voice, label: str, row: Mapping[str, Any], state: str) -> Html:
    """Return how many right answers fail, leave open and pass, and how many there were.

    Each count from 0 to `tested` has a cell of its own; `most` fail (None: no count does), `least` pass.
    """
    tested, passed = int(row["tested"]), float(row["passed"])
    least, most = int(row["least"]), row.get("most")
    fails = 0 if most is None else int(most) + 1
    cells = tested + 1
    zones = [("fails", 0, fails), ("open", fails, least), ("passes", least, cells)]
    drawn = [
        tag(
            "rect",
            class_=f"zone {name}",
            x=_percent(begin / cells),
            y=6,
            width=_percent((end - begin) / cells),
            height=16,
        )
        for name, begin, end in zones
        if end > begin
    ]
    drawn += [_line("edge", at / cells, at / cells, 2, 26) for at in {fails, least} - {0}]
    drawn.append(_dot((passed + 0.5) / cells, 14))
    spoken = t("{passed:g} of {tested} right", passed=passed, tested=tested)
    words = [f"{_span(begin, end - 1)} {t(_ZONE_WORDS[name])}" for name, begin, end in zones if end > begin]
    said = t(", ").join([spoken, *words])
    note = tag("span", join((tag("span", word, class_="nowrap") for word in words), " · "), class_="zones")
    return _row(
        label,
        _picture(f"zones-track {state}", 28, said, drawn),
        tag("span", spoken, class_="strong"),
        "",
        note,
    )


_ZONE_WORDS: Mapping[str, str] = {"fails": "fails", "open": "leaves it open", "passes": "passes"}
_MARKS: Mapping[str, Sequence[str]] = {
    "dot": ("dot",),
    "hollow": ("dot hollow",),
    "interval": ("interval",),
    "threshold": ("threshold",),
    "fails": ("zone fails",),
    "open": ("zone open",),
    "passes": ("zone passes",),
}


def _mark(name: str) -> Html:
    if name in ("dot", "hollow"):
        drawn = tag("circle", class_=_MARKS[name][0], cx="50%", cy=7, r=5)
    elif name == "interval":
        drawn = _line("interval", 0.05, 0.95, 7, 7)
    elif name == "threshold":
        drawn = _line("threshold", 0.5, 0.5, 0, 14)
    else:
        drawn = tag("rect", class_=_MARKS[name][0], x="0%", y=1, width="100%", height=12)
    return tag("svg", drawn, class_="mark", width=22, height=14, aria_hidden="true", focusable="false")


def _row(label: str, picture: Html, strong: str, light: str, note: str) -> Html:
    figures = tag("span", strong, " " if light else "", light, class_="figures")
    below = tag("span", note, class_="note") if note else ""
    return tag("li", tag("span", label, class_="label"), picture, figures, below, class_="row")


def _axis() -> Html:
    texts = [
        tag("text", f"{at:g}", x=_percent(at), y=14, text_anchor="middle", class_="tick") for at in _TICKS
    ]
    drawn = tag("svg", *texts, class_="ticks", width="100%", height=20, aria_hidden="true", focusable="false")
    return tag(
        "li",
        tag("span", "", class_="label"),
        drawn,
        tag("span", "", class_="figures"),
        class_="row axis-row",
        aria_hidden="true",
    )


def _picture(name: str, height: int, spoken: str, drawn: Iterable[Html]) -> Html:
    title = tag("title", spoken)
    return tag("svg", title, *drawn, class_=name, width="100%", height=height, role="img", aria_label=spoken)


def _line(name: str, x1: float, x2: float, y1: int, y2: int) -> Html:
    return tag("line", class_=name, x1=_percent(x1), x2=_percent(x2), y1=y1, y2=y2)


def _dot(at: float, y: int = 15) -> Html:
    return tag("circle", class_="dot", cx=_percent(at), cy=y, r=6)


def _unit(value: Any) -> float:
    number = float(value)
    return min(1.0, max(0.0, number)) if number == number else 0.0


def _percent(share: float) -> str:
    return f"{100 * _unit(share):.3f}".rstrip("0").rstrip(".") + "%"


def _span(begin: int, end: int) -> str:
    return f"{begin}" if begin == end else f"{begin}–{end}"
