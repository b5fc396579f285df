"""Questions to a database: what was declared may be read, and nothing else happens."""

import asyncio
import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from staffroom.records.tools import SqlTool
from staffroom.serve.tools import SqlExecutor, ToolFailed


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    connection = sqlite3.connect(tmp_path / "town.db")
    connection.execute("CREATE TABLE fees (item TEXT, fee INTEGER, note TEXT)")
    connection.execute("CREATE TABLE people (name TEXT, number TEXT)")
    connection.execute("CREATE VIEW all_people AS SELECT number FROM people")
    connection.executemany("INSERT INTO fees VALUES (?, ?, 'internal')", [(f"費用{n}", n) for n in range(60)])
    connection.execute("INSERT INTO people VALUES ('x', 'SECRET')")
    connection.commit()
    connection.close()
    return tmp_path


def executor(folder: Path, **more: Any) -> SqlExecutor:
    declared = {
        "kind": "sql",
        "name": "fees",
        "description": "fees",
        "database": "town.db",
        "tables": {"fees": ["item", "fee"]},
    }
    return SqlExecutor(SqlTool.model_validate({**declared, **more}), folder)


def ask(at: SqlExecutor, **arguments: Any) -> str:
    return asyncio.run(at.run(arguments))


def test_declared_columns_are_read_and_rows_are_bounded(folder: Path) -> None:
    found = ask(executor(folder), sql="SELECT item, fee FROM fees WHERE fee < 2 ORDER BY fee")
    assert found == '["item", "fee"]\n["費用0", 0]\n["費用1", 1]'
    assert ask(executor(folder), sql="SELECT count(*) AS n, max(fee) FROM fees").endswith("[60, 59]")
    assert ask(executor(folder, rows=3), sql="SELECT fee FROM fees").splitlines()[3:] == [
        "[2]",
        "… there is more",
    ]


def test_a_declared_statement_takes_its_arguments_as_values(folder: Path) -> None:
    parameters = {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}
    at = executor(folder, query="SELECT fee FROM fees WHERE item = :item", parameters=parameters)
    assert ask(at, item="費用7").endswith("[7]")
    assert ask(at, item="' OR 1=1 --") == '["fee"]'


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM fees",
        "UPDATE fees SET fee = 0",
        "INSERT INTO fees VALUES ('x', 1, '')",
        "DROP TABLE fees",
        "CREATE TEMP TABLE t (a)",
        "SELECT note FROM fees",
        "SELECT * FROM fees",
        "SELECT number FROM people",
        "SELECT number FROM all_people",
        "SELECT item FROM fees WHERE (SELECT number FROM people) = 'SECRET'",
        "SELECT item FROM fees UNION SELECT number FROM people",
        "SELECT rowid FROM fees",
        "SELECT sql FROM sqlite_master",
        "SELECT name FROM pragma_table_info('people')",
        "PRAGMA query_only = OFF",
        "ATTACH ':memory:' AS other",
        "VACUUM INTO 'copy.db'",
        "SELECT load_extension('x')",
        "SELECT hex(zeroblob(100000000))",
        "SELECT printf('%1000000000d', 1)",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "SELECT item FROM fees; SELECT 1",
        "BEGIN",
        "",
    ],
)
def test_nothing_else_is_done_or_told(folder: Path, statement: str) -> None:
    before = hashlib.sha256((folder / "town.db").read_bytes()).hexdigest()
    try:
        told = ask(executor(folder), sql=statement)
    except ToolFailed as failed:
        told = failed.message
        assert "SECRET" not in told
    else:
        assert told == "[]", "an empty statement has no columns"
    assert hashlib.sha256((folder / "town.db").read_bytes()).hexdigest() == before
    assert [path.name for path in folder.iterdir()] == ["town.db"]


def test_a_question_that_takes_too_long_is_broken_off(folder: Path) -> None:
    long = "SELECT count(*) FROM fees a, fees b, fees c, fees d, fees e, fees f"
    with pytest.raises(ToolFailed, match="interrupted"):
        ask(executor(folder, timeout_seconds=0.2), sql=long)


def test_a_database_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ToolFailed, match="not there"):
        ask(executor(tmp_path), sql="SELECT 1")
    assert list(tmp_path.iterdir()) == []
