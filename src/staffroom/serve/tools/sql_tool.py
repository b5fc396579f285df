"""Questions to a SQLite file that is opened for reading, by an authorizer that allows the declared columns and nothing else.

Three walls, each enough: the file is opened read-only, the authorizer refuses every action but reading declared columns (no
ATTACH, no PRAGMA, no schema table, no extension), and the number of steps, bytes and rows is bounded.
"""

import asyncio
import json
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from staffroom.records.tools import SqlTool
from staffroom.serve.tools.desk import ToolFailed

__all__ = ["SqlExecutor"]

_STEPS = 10_000
_MOST_BYTES = 1 << 20
_SHOWN_BYTES = 65_536
_FUNCTIONS = frozenset(
    [
        "abs",
        "avg",
        "coalesce",
        "count",
        "date",
        "datetime",
        "group_concat",
        "ifnull",
        "iif",
        "instr",
        "julianday",
        "length",
        "like",
        "lower",
        "ltrim",
        "max",
        "min",
        "nullif",
        "replace",
        "round",
        "rtrim",
        "strftime",
        "substr",
        "substring",
        "sum",
        "time",
        "total",
        "trim",
        "typeof",
        "upper",
    ]
)


class SqlExecutor:
    """Carries the questions of one SQL tool out; the file is opened for each."""

    def __init__(self, tool: SqlTool, folder: Path) -> None:
        """folder: where the job description lies."""
        self._tool = tool
        self._path = (folder / tool.database).resolve()
        self._columns = {
            table.lower(): frozenset(column.lower() for column in columns)
            for table, columns in tool.tables.items()
        }

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Return the rows as JSON lines, the first one the names of the columns."""
        return await asyncio.to_thread(self._ask, dict(arguments))

    def _ask(self, arguments: dict[str, Any]) -> str:
        tool = self._tool
        if not self._path.is_file():
            raise ToolFailed("the database is not there")
        statement, values = (arguments["sql"], {}) if tool.query is None else (tool.query, arguments)
        connection = sqlite3.connect(f"{self._path.as_uri()}?mode=ro", uri=True, timeout=tool.timeout_seconds)
        try:
            deadline = time.monotonic() + tool.timeout_seconds
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MOST_BYTES)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.setlimit(sqlite3.SQLITE_LIMIT_EXPR_DEPTH, 50)
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.set_progress_handler(lambda: int(time.monotonic() > deadline), _STEPS)
            connection.set_authorizer(self._authorise)
            return self._rows(connection.execute(statement, values))
        except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
            raise ToolFailed(f"the question cannot be asked ({str(error)[:200]})") from error
        finally:
            connection.close()

    def _rows(self, cursor: sqlite3.Cursor) -> str:
        tool = self._tool
        lines = [_line([column[0] for column in cursor.description or ()])]
        size = 0
        for row in cursor:
            line = _line([None if isinstance(value, bytes) else value for value in row])
            size += len(line)
            if len(lines) > tool.rows or size > _SHOWN_BYTES:
                lines.append("… there is more")
                break
            lines.append(line)
        return "\n".join(lines)

    def _authorise(
        self, action: int, first: str | None, second: str | None, database: str | None, inner: str | None
    ) -> int:
        if action == sqlite3.SQLITE_SELECT:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_READ and database in ("main", None):
            columns = self._columns.get((first or "").lower())
            # A count of rows reads a column without a name.
            if columns is not None and (not second or second.lower() in columns):
                return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FUNCTIONS:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY


def _line(values: list[Any]) -> str:
    return json.dumps(values, ensure_ascii=False)
