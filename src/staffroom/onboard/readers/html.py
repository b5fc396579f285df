"""HTML: the page's own text; navigation, footers, scripts, forms' machinery and hidden parts are dropped."""

import re
from collections.abc import Iterator, Mapping, Set
from importlib.metadata import version

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from staffroom.onboard.readers.pieces import Piece, Reading, is_cjk, join_lines, squeeze
from staffroom.onboard.readers.plain import decode_text
from staffroom.onboard.readers.tables import table_pieces
from staffroom.records.documents import BlockKind

__all__ = ["read_html"]

_CHARSET = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([A-Za-z0-9_\-]{2,30})""", re.IGNORECASE)
_DROPPED = (
    "script, style, noscript, template, iframe, object, svg, canvas, head, nav, footer, aside, select, button, dialog, "
    "[hidden], [aria-hidden=true], [role=navigation], [role=contentinfo], [role=banner], [role=search], [role=menu]"
)
_CHROME_WORDS = frozenset(
    [
        "nav",
        "navbar",
        "navigation",
        "menu",
        "topmenu",
        "sidebar",
        "breadcrumb",
        "breadcrumbs",
        "footer",
        "header",
        "banner",
        "sitemap",
        "skip",
        "cookie",
        "cookies",
        "share",
        "social",
        "search",
        "pagination",
        "toolbar",
    ]
)
_WORD = re.compile(r"[A-Za-z]+")
_CHROME_SHARE, _LINK_SHARE = 0.2, 0.5
_SOURCE_BREAK = re.compile(r"[ \t\r\f]*\n\s*")
_BLANKS = re.compile(r"\s+")
_LEAVES = ("-text", "-comment", "br", "img")
_HEADINGS: Mapping[str, int] = {f"h{level}": level for level in range(1, 7)}
_BLOCKS = frozenset(
    [
        "address",
        "article",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "form",
        "header",
        "hgroup",
        "html",
        "legend",
        "li",
        "main",
        "menu",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "ul",
    ]
)


def read_html(data: bytes) -> Reading:
    """Read a web page: `main` or `article` where there is one, else all that is not furniture."""
    match = _CHARSET.search(data[:4096])
    declared = match[1].decode("ascii") if match else None
    text, warnings = decode_text(data, declared)
    try:
        tree = LexborHTMLParser(text)
    except SelectolaxError as error:
        raise MemoryError("the HTML parser got no memory; it fails for no other reason") from error
    title = tree.css_first("title")
    title_text = squeeze(title.text()) if title is not None else ""
    dropped = {node.mem_id for node in tree.css(_DROPPED)}
    root = _content(tree, dropped)
    pieces = []
    if root is not None:
        pieces = _pieces(root, dropped | _chrome(root, dropped))
    if title_text and not any(p.kind is BlockKind.HEADING and p.level == 1 for p in pieces):
        pieces = [Piece(BlockKind.HEADING, title_text, 1), *pieces]
    return Reading(tuple(pieces), f"selectolax {version('selectolax')}", 0, warnings)


def _content(tree: LexborHTMLParser, dropped: Set[int]) -> LexborNode | None:
    for selector in ("main", "[role=main]", "article"):
        found = tree.css(selector)
        if len(found) == 1 and _length(found[0], dropped):
            return found[0]
    return tree.body


def _chrome(root: LexborNode, dropped: Set[int]) -> set[int]:
    """Find what its class or id calls navigation, if it is mostly links or a small part of the page."""
    whole = max(1, _length(root, dropped))
    chrome = set()
    for node in root.css("[class], [id], header"):
        names = f"{node.attributes.get('class') or ''} {node.attributes.get('id') or ''}"
        words = {word.lower() for word in _WORD.findall(names)}
        if node.mem_id == root.mem_id or (node.tag != "header" and not words & _CHROME_WORDS):
            continue
        own = _length(node, dropped)
        linked = sum(_length(link, dropped) for link in node.css("a"))
        if linked > _LINK_SHARE * own or (own < _CHROME_SHARE * whole and node.css_first("h1") is None):
            chrome.add(node.mem_id)
    return chrome


def _length(root: LexborNode, dropped: Set[int]) -> int:
    """Return how many visible characters stand below a node."""
    texts = (node.text_content or "" for node, _ in _walk(root, dropped) if node.tag == "-text")
    return sum(len("".join(text.split())) for text in texts)


def _pieces(root: LexborNode, dropped: Set[int]) -> list[Piece]:
    pieces: list[Piece] = []
    buffer: list[str] = []
    kinds: list[tuple[BlockKind, int]] = [(BlockKind.PARAGRAPH, 0)]

    def flush() -> None:
        kind, level = kinds[-1]
        text = squeeze("".join(buffer))
        if text:
            pieces.append(Piece(kind, text, level))
        buffer.clear()

    for node, opening in _walk(root, dropped, into_tables=False):
        tag = node.tag or ""
        if tag == "-text":
            lines = (node.text_content or "").splitlines() if _in_pre(node) else [node.text_content or ""]
            for place, line in enumerate(lines):
                if place:
                    flush()
                _append(buffer, line)
        elif tag == "br":
            flush()
        elif tag == "img":
            buffer.append(node.attributes.get("alt") or "")
        elif tag == "table" and not _is_layout(node):
            if opening:
                flush()
                pieces += table_pieces(_rows(node, dropped), header=_has_header(node))
        elif tag in _HEADINGS or tag in _BLOCKS:
            flush()
            if opening:
                kinds.append(_kind(tag, kinds))
            elif len(kinds) > 1:
                kinds.pop()
    flush()
    return pieces


def _append(buffer: list[str], text: str) -> None:
    """Add text; a line end of the source between two Chinese characters is no space."""
    words = _SOURCE_BREAK.split(text)
    for place, word in enumerate(words):
        before = buffer[-1][-1:] if buffer else ""
        if place and before and word and not (is_cjk(before) and is_cjk(word[0])):
            buffer.append(" ")
        buffer.append(_BLANKS.sub(" ", word))


def _kind(tag: str, kinds: list[tuple[BlockKind, int]]) -> tuple[BlockKind, int]:
    if tag in _HEADINGS:
        return BlockKind.HEADING, _HEADINGS[tag]
    if tag == "li":
        kind, level = kinds[-1]
        return BlockKind.LIST_ITEM, min(9, level + 1) if kind is BlockKind.LIST_ITEM else 1
    return kinds[-1]


def _in_pre(node: LexborNode) -> bool:
    return node.parent is not None and node.parent.tag == "pre"


def _walk(
    root: LexborNode, dropped: Set[int], *, into_tables: bool = True
) -> Iterator[tuple[LexborNode, bool]]:
    """Yield each node when it opens and each element when it closes, without recursion: pages nest without limit."""
    stack: list[tuple[LexborNode, bool]] = [(root, True)]
    while stack:
        node, opening = stack.pop()
        if node.mem_id in dropped:
            continue
        yield node, opening
        if not opening or node.tag in _LEAVES:
            continue
        stack.append((node, False))
        if node.tag == "table" and not into_tables and not _is_layout(node):
            continue
        stack += [(child, True) for child in reversed(list(node.iter(include_text=True)))]


def _is_layout(table: LexborNode) -> bool:
    if table.attributes.get("role") in ("presentation", "none"):
        return True
    if table.css_first("table table, h1, h2, h3, h4") is not None:
        return True
    return all(len(_cells(row)) <= 1 for row in table.css("tr"))


def _has_header(table: LexborNode) -> bool | None:
    if table.css_first("thead") is not None:
        return True
    first = table.css_first("tr")
    if first is not None and all(cell.tag == "th" for cell in _cells(first)):
        return True
    if table.css_first("th") is not None:
        return False
    return None


def _cells(row: LexborNode) -> list[LexborNode]:
    return [cell for cell in row.iter() if cell.tag in ("td", "th")]


def _rows(table: LexborNode, dropped: Set[int]) -> list[list[str]]:
    """Return the cells as text, cells that span rows or columns repeated in each."""
    grid: list[list[str]] = []
    hanging: dict[int, tuple[int, str]] = {}
    for row in table.css("tr"):
        line: list[str] = []
        cells = _cells(row)
        while cells or any(column >= len(line) for column in hanging):
            column = len(line)
            if column in hanging:
                left, text = hanging.pop(column)
                if left > 1:
                    hanging[column] = (left - 1, text)
                line.append(text)
                continue
            if not cells:
                line.append("")
                continue
            cell = cells.pop(0)
            text = ""
            for piece in _pieces(cell, dropped):
                text = join_lines(text, piece.text)
            for offset in range(_span(cell, "colspan")):
                if (down := _span(cell, "rowspan")) > 1:
                    hanging[column + offset] = (down - 1, text)
                line.append(text if offset == 0 else "")
        grid.append(line)
    return grid


def _span(cell: LexborNode, name: str) -> int:
    value = cell.attributes.get(name) or "1"
    return max(1, min(100, int(value))) if value.isdecimal() and len(value) < 6 else 1
