"""Markdown: headings, paragraphs, lists with their numbers, tables; marks are dropped, words kept."""

import re
from collections.abc import Sequence
from importlib.metadata import version

from markdown_it import MarkdownIt
from markdown_it.token import Token

from staffroom.onboard.readers.pieces import Piece, Reading, join_lines
from staffroom.onboard.readers.plain import decode_text
from staffroom.onboard.readers.tables import table_pieces
from staffroom.records.documents import BlockKind

__all__ = ["read_markdown"]

_FRONT_MATTER = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*\n", re.DOTALL)
_TAG = re.compile(r"<!--.*?-->|</?[A-Za-z][^>]*>", re.DOTALL)
_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)


def read_markdown(data: bytes) -> Reading:
    """Read CommonMark with pipe tables; YAML front matter is kept as a first paragraph, HTML tags are dropped."""
    text, warnings = decode_text(data)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    pieces: list[Piece] = []
    if match := _FRONT_MATTER.match(text):
        pieces += [Piece(BlockKind.PARAGRAPH, line) for line in match[1].splitlines() if line.strip()]
        text = text[match.end() :]
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    pieces += _pieces(tokens)
    return Reading(tuple(pieces), f"markdown-it-py {version('markdown-it-py')}", 0, warnings)


def _pieces(tokens: Sequence[Token]) -> list[Piece]:
    pieces: list[Piece] = []
    markers: list[str] = []
    depth = 0
    rows: list[list[str]] = []
    heading, in_table = 0, False
    for token in tokens:
        match token.type:
            case "heading_open":
                heading = int(token.tag[1])
            case "heading_close":
                heading = 0
            case "bullet_list_open" | "ordered_list_open":
                depth += 1
            case "bullet_list_close" | "ordered_list_close":
                depth -= 1
            case "list_item_open":
                markers.append(f"{token.info}{token.markup} " if token.info else "")
            case "list_item_close":
                markers = markers[:-1]
            case "table_open":
                rows, in_table = [], True
            case "table_close":
                pieces += table_pieces(rows, header=True)
                in_table = False
            case "tr_open":
                rows.append([])
            case "inline" if in_table:
                rows[-1].append(_join_many(_inline(token)))
            case "inline" if heading:
                pieces.append(Piece(BlockKind.HEADING, _join_many(_inline(token)), heading))
            case "inline" if depth:
                marker, markers = _take_marker(markers)
                pieces += [
                    Piece(BlockKind.LIST_ITEM, marker + part if i == 0 else part, depth)
                    for i, part in enumerate(_inline(token))
                ]
            case "inline":
                pieces += [Piece(BlockKind.PARAGRAPH, part) for part in _inline(token)]
            case "fence" | "code_block":
                pieces += [Piece(BlockKind.PARAGRAPH, line) for line in token.content.splitlines()]
            case "html_block":
                plain = _TAG.sub("", _BREAK.sub("\n", token.content))
                pieces += [Piece(BlockKind.PARAGRAPH, line) for line in plain.splitlines()]
    return pieces


def _take_marker(markers: list[str]) -> tuple[str, list[str]]:
    """Give the number of a list item to its first paragraph only."""
    return (markers[-1], [*markers[:-1], ""]) if markers else ("", markers)


def _join_many(parts: Sequence[str]) -> str:
    """Join the lines of a cell or heading into one."""
    joined = ""
    for part in parts:
        joined = join_lines(joined, part)
    return joined


def _inline(token: Token) -> list[str]:
    """Return the lines of an inline token: soft breaks are joined, hard breaks part."""
    lines = [""]
    soft = False
    for child in token.children or []:
        if child.type == "softbreak":
            soft = True
            continue
        if child.type == "hardbreak" or (child.type == "html_inline" and _BREAK.match(child.content)):
            lines.append("")
            soft = False
            continue
        content = child.content if child.type in ("text", "code_inline", "image", "text_special") else ""
        if soft and content:
            lines[-1] = join_lines(lines[-1], content)
            soft = False
        else:
            lines[-1] += content
    return lines
