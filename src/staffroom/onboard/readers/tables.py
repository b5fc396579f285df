"""Write a table's rows as lines that stand alone: each value with the name of its column."""

from collections.abc import Sequence

from staffroom.onboard.readers.pieces import Piece, is_cjk, squeeze
from staffroom.records.documents import BlockKind

__all__ = ["table_pieces"]

_HEADER_MAX = 20
_HEADER_WORDS = frozenset(
    [
        "項目",
        "項次",
        "編號",
        "序號",
        "名稱",
        "類別",
        "種類",
        "類型",
        "日期",
        "時間",
        "時段",
        "期間",
        "星期",
        "費用",
        "費額",
        "金額",
        "單價",
        "收費",
        "規費",
        "單位",
        "備註",
        "說明",
        "內容",
        "地點",
        "地址",
        "電話",
        "對象",
        "資格",
        "文件",
        "用途",
        "數量",
        "期限",
        "主管機關",
        "承辦單位",
        "item",
        "no.",
        "no",
        "name",
        "type",
        "kind",
        "category",
        "date",
        "day",
        "time",
        "hours",
        "fee",
        "fees",
        "price",
        "amount",
        "unit",
        "notes",
        "note",
        "remarks",
        "description",
        "place",
        "address",
        "phone",
        "purpose",
        "quantity",
        "deadline",
        "office",
        "service",
    ]
)


def table_pieces(
    rows: Sequence[Sequence[str]], *, header: bool | None = None, page: int | None = None
) -> list[Piece]:
    """Return one piece per row, `column: value` parted by semicolons.

    header: True where the format marks the first row as such, False where it says there is none, None to judge by
    its wording. Rows without a header read as `first: second` with two columns, else parted by `｜`.
    """
    cells = [[squeeze(value) for value in row] for row in rows]
    cells = [row for row in cells if any(row)]
    if not cells:
        return []
    pieces: list[Piece] = []
    while (
        cells
        and header is None
        and len(cells) > 2
        and sum(map(bool, cells[0])) == 1 < sum(map(bool, cells[1]))
    ):
        pieces.append(_row(next(filter(None, cells[0])), page))
        cells = cells[1:]
    if header is None:
        header = _looks_like_header(cells)
    if not header or len(cells) == 1:
        return [*pieces, *(_row(_plain(row), page) for row in cells)]
    names = cells[0]
    unused = [
        name
        for place, name in enumerate(names)
        if not any("".join(row[place : place + 1]) for row in cells[1:])
    ]
    if unused:
        pieces.append(_row(_plain(unused), page))
    return [*pieces, *(_row(_named(names, row), page) for row in cells[1:])]


def _row(text: str, page: int | None) -> Piece:
    return Piece(BlockKind.TABLE_ROW, text, 0, page)


def _named(names: Sequence[str], row: Sequence[str]) -> str:
    parts = []
    chinese = any(map(is_cjk, "".join([*names, *row])))
    colon, semicolon = ("：", "；") if chinese else (": ", "; ")
    for place, value in enumerate(row):
        name = names[place] if place < len(names) else ""
        if value:
            parts.append(f"{name}{colon}{value}" if name and name != value else value)
    return semicolon.join(parts)


def _plain(row: Sequence[str]) -> str:
    filled = [value for value in row if value]
    if len(filled) == 2 and len(filled[0]) <= _HEADER_MAX:
        return ("：" if any(map(is_cjk, "".join(filled))) else ": ").join(filled)
    return "｜".join(filled) if any(map(is_cjk, "".join(filled))) else " | ".join(filled)


def _looks_like_header(cells: Sequence[Sequence[str]]) -> bool:
    if len(cells) < 2:
        return False
    first = cells[0]
    filled = [value for value in first if value]
    if len(filled) < 2 or len(set(filled)) < len(filled):
        return False
    if any(len(value) > _HEADER_MAX * (1 if any(map(is_cjk, value)) else 2) for value in filled):
        return False
    if any(_has_digit(value) or value[-1] in "。；;" for value in filled):
        return False
    if any(value.lower() in _HEADER_WORDS for value in filled):
        return True
    if len(filled) >= 3:
        return True
    columns = range(len(first))
    return len(cells) >= 3 and any(
        all(column < len(row) and _has_digit(row[column]) for row in cells[1:]) for column in columns
    )


def _has_digit(value: str) -> bool:
    return any(character.isdecimal() for character in value)
