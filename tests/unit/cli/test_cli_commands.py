import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine

from staffroom.cli.serve_command import serve
from staffroom.records.errors import StaffroomError
from staffroom.serve import DEFAULT_HOST, DEFAULT_PORT
from staffroom.store import ApiKeys, Database

ROW = {"alias": "town-hall", "title": "Help desk [1]", "state": "running", "release": "sha256:" + "cd" * 32}


def test_workers_are_listed(staffroom: CommandLine, pipeline: Callable[..., None]) -> None:
    pipeline("workers", list_workers=lambda home: [ROW])
    assert staffroom("workers", "--json").json == {"workers": [ROW]}
    said = staffroom("workers")
    assert "town-hall" in said.out
    assert "Help desk [1]" in said.out
    assert "在職" in staffroom("workers", STAFFROOM_LANG="zh-TW").out
    pipeline("workers", list_workers=lambda home: [])
    assert "staffroom init" in staffroom("workers").out


def test_a_worker_is_shown_whatever_it_is_made_of(
    staffroom: CommandLine, pipeline: Callable[..., None]
) -> None:
    value = {
        **ROW,
        "sponsor": "The office",
        "manifest": {"agent": {"base": "sha256:1"}},
        "log": [{"index": 4}],
        "x": None,
    }
    pipeline("workers", show_worker=lambda home, alias: value)
    said = staffroom("show", "town-hall")
    assert "sponsor: The office" in said.out
    assert "base: sha256:1" in said.out
    assert "- index 4" in said.out
    assert staffroom("show", "town-hall", "--json").json == value


def test_one_or_all_are_suspended(staffroom: CommandLine, pipeline: Callable[..., None]) -> None:
    stopped: list[str | None] = []

    def suspend(home: object, alias: str | None, by: str) -> list[dict[str, Any]]:
        stopped.append(alias)
        assert by
        return [{"alias": alias or "town-hall", "act": "suspended"}]

    pipeline("workers", suspend=suspend)
    assert "town-hall is stopped." in staffroom("suspend", "town-hall").out
    assert staffroom("suspend", "--all", "--json").json["suspended"][0]["alias"] == "town-hall"
    assert stopped == ["town-hall", None]
    assert staffroom("suspend").status == 2
    assert staffroom("suspend", "town-hall", "--all").status == 2
    assert len(stopped) == 2


def test_resume_rollback_and_retire(staffroom: CommandLine, pipeline: Callable[..., None]) -> None:
    done: list[str] = []

    def act(name: str) -> Callable[[object, str, str], dict[str, str]]:
        def work(home: object, alias: str, by: str) -> dict[str, str]:
            done.append(name)
            return {"alias": alias, "release": "sha256:before"}

        return work

    def end(home: object, alias: str, by: str, successor: str) -> dict[str, Any]:
        done.append(f"retire for {successor}")
        return {
            "alias": alias,
            "keys_revoked": ["k1"],
            "keys_left": ["k2"],
            "certificate": "certificate.json",
        }

    pipeline("workers", resume=act("resume"), rollback=act("rollback"))
    pipeline("retire", retire_worker=end)
    assert "may work again" in staffroom("resume", "town-hall").out
    assert "sha256:before" in staffroom("rollback", "town-hall").out
    said = staffroom("retire", "town-hall")
    assert said.status == 2
    assert said.err.rstrip().endswith("hint: staffroom retire town-hall --yes")
    assert done == ["resume", "rollback"]
    said = staffroom("retire", "town-hall", "--yes", "--successor", "desk")
    assert said.status == 0 and done[-1] == "retire for desk"
    assert "Keys revoked: 1." in said.out and "stay: k2" in said.out and "certificate.json" in said.out


def test_keys_are_shown_once_and_revoked(staffroom: CommandLine) -> None:
    said = staffroom("key", "create", "web", "--worker", "town-hall", "--days", "30", "--json")
    token, identifier = said.json["key"], said.json["id"]
    with Database(staffroom.home / "staffroom.db") as database:
        found = ApiKeys(database).verify(token, from_loopback=False).key
        assert found is not None
        assert found.aliases == ("town-hall",)
    listed = staffroom("key", "list", "--json")
    assert listed.json["keys"][0]["workers"] == ["town-hall"]
    assert token not in listed.out
    assert token not in staffroom("key", "list").out
    assert staffroom("key", "revoke", identifier, "--json").json["revoked"]
    said = staffroom("key", "revoke", "nothing")
    assert said.status == 3
    assert "staffroom key list" in said.err


def test_a_key_on_stdout_can_be_piped(staffroom: CommandLine) -> None:
    said = staffroom("key", "create", "web")
    assert said.out.startswith("sr-")
    assert said.out.count("\n") == 1


@pytest.mark.parametrize("name", ["job", "exam", "item"])
def test_schemas_are_json_schema_with_descriptions(staffroom: CommandLine, name: str) -> None:
    value = staffroom("schema", name, "--json").json
    assert value["$schema"].startswith("https://json-schema.org/")
    assert any("description" in field for field in value["properties"].values())
    assert json.loads(staffroom("schema", name).out) == value


def test_models_are_listed_without_making_a_home(staffroom: CommandLine) -> None:
    said = staffroom("models", "list", "--json")
    assert said.json["models"] == []
    assert any(row["id"].startswith("smollm2") for row in said.json["starters"])
    assert "staffroom models get NAME" in staffroom("models", "list").out
    assert staffroom("models", "check", "--json").json == {"models": [], "ok": True}
    assert not staffroom.home.exists()


def test_a_pickle_is_refused_with_a_hint(staffroom: CommandLine, tmp_path: Path) -> None:
    bad = tmp_path / "model.gguf"
    bad.write_bytes(b"\x80\x04\x95" + b"\0" * 600)
    said = staffroom("models", "add", bad)
    assert said.status == 3 or said.status == 2
    assert "pickle" in said.err
    assert "hint:" in said.err


def test_a_server_goes_on_the_shelf(staffroom: CommandLine) -> None:
    said = staffroom("models", "add", "server:http://127.0.0.1:9/v1#m", "--name", "mine", "--json")
    assert said.json["id"] == "mine"
    assert "mine" in staffroom("models", "list").out


def test_the_doctor_names_what_is_missing(staffroom: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr("ctypes.CDLL", missing)
    said = staffroom("doctor")
    assert said.status == 3
    assert "NOT libgomp1" in said.out
    assert "hint: sudo apt-get install libgomp1" in said.out
    names = {row["name"]: row for row in staffroom("doctor", "--json").json["checks"]}
    assert names["Python"]["ok"]
    assert not names["models"]["needed"]
    gateway = {"gateway port", "permits", "record of requests", "budgets"}
    assert set(names) == {"Python", "libgomp1", "disk", "memory", "home", "models", "OCR", "log"} | gateway


def test_one_failing_look_hides_no_other(staffroom: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(home: object) -> None:
        raise StaffroomError("a record cannot be read", hint="rm it")

    monkeypatch.setattr("staffroom.pipeline.models.list_models", broken)
    rows = staffroom("doctor", "--json").json["checks"]
    assert len(rows) == 12
    assert {
        "name": "models",
        "ok": False,
        "needed": True,
        "text": "a record cannot be read",
        "hint": "rm it",
    } in rows


def test_serve_says_its_address(staffroom: CommandLine, pipeline: Callable[..., None]) -> None:
    seen: list[object] = []

    async def run(
        home: object,
        host: str,
        port: int,
        on_ready: Callable[[str], None],
        on_trouble: Callable[[str], None],
        *,
        tls: object,
        public_url: str,
        seal_seconds: float,
        spans_to: str,
        request_log: object,
    ) -> None:
        assert tls is None and public_url == "" and spans_to == "" and request_log is None
        assert seal_seconds == 3600
        seen.extend([host, port])
        on_ready(f"http://{host}:{port}")

    pipeline("service", serve=run)
    assert "http://127.0.0.1:9000/v1" in staffroom("serve", "--port", "9000").out
    assert staffroom("serve", "--json").json == {"url": f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"}
    assert seen == ["127.0.0.1", 9000, DEFAULT_HOST, DEFAULT_PORT]
    assert serve.__defaults__ is not None


def test_an_exam_with_faults_is_refused_by_file_and_line(staffroom: CommandLine, tmp_path: Path) -> None:
    staffroom("init", tmp_path, "--locale", "en")
    items = tmp_path / "exam" / "items.jsonl"
    items.write_text(items.read_text(encoding="utf-8").replace('"input"', '"imput"', 1), encoding="utf-8")
    said = staffroom("exam", "check", tmp_path / "exam")
    assert said.status == 2
    assert f"{items}:1: imput: unknown field; did you mean `input`?" in said.err


def test_a_question_that_gives_itself_away_is_an_error(staffroom: CommandLine, tmp_path: Path) -> None:
    staffroom("init", tmp_path, "--locale", "en")
    leak = tmp_path / "leak.txt"
    leak.write_text(
        "By when must I leave the centre on a Friday evening? That is what people ask.", encoding="utf-8"
    )
    said = staffroom("exam", "check", tmp_path / "exam", "--documents", leak, "--json")
    assert said.status == 3
    assert [row["item"] for row in said.json["findings"] if row["severity"] == "error"] == ["choice-01"]
    assert staffroom("exam", "check", tmp_path / "exam", "--documents", tmp_path / "gone").status == 2
