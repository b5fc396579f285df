"""Excel workbooks: each sheet a heading, each row a line in which every value stands with its column's name."""

import datetime
import io
import warnings as python_warnings
import zipfile
from collections.abc import Iterable
from importlib.metadata import version
from itertools import islice
from typing import Any

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from staffroom.onboard.readers.archive import check_archive
from staffroom.onboard.readers.limits import ReadLimits
from staffroom.onboard.readers.pieces import Piece, Reading
from staffroom.onboard.readers.tables import table_pieces
from staffroom.records.documents import BadDocument, BadReason, BlockKind

__all__ = ["read_xlsx", "show_value"]

_MAX_ROWS = 200_000
_MAX_COLUMNS = 512
_BLANK_ROWS = 1_000


def read_xlsx(data: bytes, limits: ReadLimits) -> Reading:
    """Read XLSX by rows; formulas give the value that was stored with them, hidden sheets are left out."""
    check_archive(data, limits)
    notes: list[str] = []
    pieces: list[Piece] = []
    try:
        with python_warnings.catch_warnings():
            python_warnings.simplefilter("ignore")
            book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
            sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"]
            for number, sheet in enumerate(sheets, start=1):
                rows = _rows(sheet, notes)
                if rows:
                    pieces.append(Piece(BlockKind.HEADING, sheet.title, 2, number))
                    pieces += table_pieces(rows, page=number)
    except (
        InvalidFileException,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        SyntaxError,
        OverflowError,
        zipfile.BadZipFile,
    ) as error:
        raise BadDocument(
            BadReason.CORRUPT,
            f"is not a whole Excel workbook ({type(error).__name__}: {error})",
            hint="open it in LibreOffice, save it again as XLSX, and use the new file",
        ) from error
    return Reading(tuple(pieces), f"openpyxl {version('openpyxl')}", len(sheets), tuple(notes))


def _rows(sheet: Any, notes: list[str]) -> list[list[str]]:
    sheet.reset_dimensions()
    rows: list[list[str]] = []
    blank = 0
    for cells in sheet.iter_rows(max_col=None):
        row = [_cell(cell) for cell in islice(cells, _MAX_COLUMNS)]
        blank = 0 if any(row) else blank + 1
        if blank > _BLANK_ROWS:
            break
        if any(row):
            rows.append(row)
        if len(rows) > _MAX_ROWS:
            raise BadDocument(
                BadReason.TOO_LARGE,
                f"sheet {sheet.title} has more than {_MAX_ROWS:,} rows",
                hint="keep what people ask about, and leave the rest to a database",
            )
    return _even(rows)


def _even(rows: Iterable[list[str]]) -> list[list[str]]:
    """Drop empty columns at the right, so that rows have the width of what is written."""
    kept = []
    for row in rows:
        while row and not row[-1]:
            row.pop()
        kept.append(row)
    return kept


def _cell(cell: Any) -> str:
    return show_value(cell.value, getattr(cell, "number_format", "") or "")


def show_value(value: object, number_format: str = "") -> str:
    """Write a cell's value as a reader of the sheet expects: whole numbers without .0, percentages, ISO dates."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, datetime.datetime):
        return value.strftime("%Y-%m-%d" if value.time() == datetime.time() else "%Y-%m-%d %H:%M")
    if isinstance(value, datetime.time):
        return value.strftime("%H:%M")
    if isinstance(value, (int, float)):
        if "%" in number_format:
            return f"{value * 100:.10g}%"
        return f"{value:.15g}" if isinstance(value, float) else str(value)
    return " ".join(str(value).split("\n"))
