"""Tools of a job in a home: called by hand, put before a person, approved in a name, and all of it on record."""

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.tools import (
    approvals_of,
    call_tool,
    carry_out,
    decide_call,
    list_calls,
    list_tools,
    set_ceiling,
)
from staffroom.records.errors import WrongUse
from staffroom.store import Home

JOB = """
name: desk
title: Desk
sponsor: Lin Mei-hua
locale: en
charter: {turn_to: "Desk 1", ai_notice: "This is an AI."}
documents: [{path: d}]
candidates: [c]
exam: e
alias: desk
policy:
  autonomy: 4
  egress: [town.example]
  tools:
    - {kind: sql, name: fees, description: fees, database: town.db, tables: {fees: [item, fee]}}
    - kind: http
      name: mail
      description: writes to somebody
      method: POST
      url: https://town.example/mail
      approver: sponsor
      parameters: {type: object, properties: {to: {type: string}}, required: [to]}
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


@pytest.fixture
def job(tmp_path: Path) -> Path:
    (tmp_path / "job.yaml").write_text(JOB)
    connection = sqlite3.connect(tmp_path / "town.db")
    connection.execute("CREATE TABLE fees (item TEXT, fee INTEGER)")
    connection.execute("INSERT INTO fees VALUES ('form', 20)")
    connection.commit()
    connection.close()
    return tmp_path / "job.yaml"


def ask(home: Home, job: Path, **more: Any) -> dict[str, Any]:
    return call_tool(
        home, job, "fees", json.dumps({"sql": "SELECT item, fee FROM fees"}), untrusted=True, **more
    )


def test_without_the_sponsors_ceiling_every_call_waits(home: Home, job: Path) -> None:
    assert list_tools(home, job)["ceiling"] == 1
    assert ask(home, job)["end"] == "waiting"
    with pytest.raises(WrongUse, match="sponsor"):
        set_ceiling(home, job, 3, "Somebody")
    with pytest.raises(WrongUse, match="level"):
        set_ceiling(home, job, 6, "Lin Mei-hua")
    assert set_ceiling(home, job, 3, "Lin Mei-hua") == {"alias": "desk", "ceiling": 3, "autonomy": 4}
    assert ask(home, job)["text"].endswith('["form", 20]')
    set_ceiling(home, job, 1, "Lin Mei-hua")
    assert ask(home, job)["end"] == "waiting"


def test_a_call_is_approved_in_a_name_and_on_record_with_commitments(home: Home, job: Path) -> None:
    waiting = ask(home, job)
    (row,) = list_calls(home)
    assert row["arguments"] == '{"sql":"SELECT item, fee FROM fees"}'
    with pytest.raises(WrongUse, match="name"):
        decide_call(home, row["id"], " ", approve=True)
    assert decide_call(home, row["id"], "Chen", approve=True)["state"] == "approved"
    with pytest.raises(WrongUse, match="approved"):
        decide_call(home, row["id"], "Wang", approve=False)
    assert carry_out(home, job, waiting["approval"])["end"] == "ran"
    with pytest.raises(WrongUse, match="used"):
        carry_out(home, job, waiting["approval"])
    assert list_calls(home) == []
    entries = [item.entry for item in DecisionLog(home).entries()]
    assert [(each["type"], each["body"].get("verdict", each["body"].get("end"))) for each in entries] == [
        ("tool-call", "waiting"),
        ("tool-call-decided", "approved"),
        ("tool-call", "ran"),
    ]
    assert "Chen" not in str(entries)
    assert "SELECT" not in str(entries)
    assert DecisionLog(home).value_behind(entries[1]["body"]["by"]) == "Chen"
    assert DecisionLog(home).verify().ok


def test_what_is_the_sponsors_to_approve_nobody_else_may(home: Home, job: Path) -> None:
    waiting = call_tool(home, job, "mail", '{"to":"a"}', untrusted=False)
    with pytest.raises(WrongUse, match="sponsor alone"):
        decide_call(home, waiting["approval"], "Chen", approve=True)
    assert decide_call(home, waiting["approval"], "Lin Mei-hua", approve=False)["state"] == "refused"
    with pytest.raises(WrongUse, match="refused"):
        carry_out(home, job, waiting["approval"])
    with approvals_of(home) as approvals:
        assert approvals.calls() == []
