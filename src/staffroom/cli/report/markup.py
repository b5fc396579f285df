"""HTML that cannot be broken by what it shows: every text is escaped unless it was made here.

Characters that could deceive a reader (control and direction marks) are shown by their numbers instead of obeyed. It knows nothing
of reports. It protects no other place than element content and quoted attribute values: nothing untrusted goes into
names of elements or attributes, addresses, styles or comments.
"""

import html
import re
import string
from collections.abc import Iterable

__all__ = ["Html", "escape", "filled", "join", "tag"]

# Elements of SVG are closed like all others: only HTML's own may stay open.
_VOID = frozenset(["br", "input", "meta"])
_NAME = re.compile(r"^[a-z][a-z0-9-]*$")
_ATTRIBUTE = re.compile(r"^[a-zA-Z][a-zA-Z0-9:-]*$")
# C0 and C1 controls but tab and newline, overrides of direction, invisible operators, surrogates, non-characters.
_DECEPTIVE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2061-\u206f\ufeff\ufff9-\uffff\ud800-\udfff]"
)
_LINE_ENDS = re.compile("\r\n?")


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def escape(text: str) -> Html:
    """Return a text as HTML; an `Html` is returned as it is."""
    if isinstance(text, Html):
        return text
    return Html(_safe(text))


def join(parts: Iterable[str], between: str = "") -> Html:
    """Return parts one after the other, each escaped unless it is HTML."""
    return Html(escape(between).join(escape(part) for part in parts))


def tag(name: str, /, *children: str, **attributes: str | int | float | bool | None) -> Html:
    """Return an element; None and False leave an attribute out, `class_` and `data_x` give `class` and `data-x`."""
    if not _NAME.match(name):
        raise ValueError(f"not the name of an element: {name!r}")
    opened = f"<{name}{''.join(_attribute(key, value) for key, value in attributes.items())}>"
    return Html(opened) if name in _VOID else Html(f"{opened}{join(children)}</{name}>")


def filled(template: str, **values: str) -> Html:
    """Return a template with `{name}` fields as HTML: its own text and plain values are escaped, `Html` values stand."""
    parts: list[str] = []
    for literal, field, _, _ in string.Formatter().parse(template):
        parts.append(literal)
        if field:
            parts.append(values[field])
    return join(parts)


def _attribute(key: str, value: str | int | float | bool | None) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    if not _ATTRIBUTE.match(name):
        raise ValueError(f"not the name of an attribute: {key!r}")
    if value is True:
        return f" {name}"
    text = f"{value:g}" if isinstance(value, float) else str.__str__(str(value))
    return f' {name}="{_safe(text)}"'


def _safe(text: str) -> str:
    return html.escape(_DECEPTIVE.sub(_shown, _LINE_ENDS.sub("\n", text)), quote=True)


def _shown(match: re.Match[str]) -> str:
    return f"⟨U+{ord(match.group()):04X}⟩"
