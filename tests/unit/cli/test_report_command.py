"""`staffroom exam report`: where the page goes, what is said, and how it ends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import CommandLine
from report_sample import hire_value


@pytest.fixture
def value(pipeline: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    value = hire_value()
    asked: list[tuple[str, Path | None]] = []

    def exam_report(home: object, target: str, *, pack: Path | None = None) -> dict[str, Any]:
        asked.append((target, pack))
        return value

    pipeline("exam_report", exam_report=exam_report)
    monkeypatch.chdir(tmp_path)
    return {"value": value, "asked": asked}


def test_the_page_is_written_here_under_the_run_s_name(
    staffroom: CommandLine, value: dict[str, Any], tmp_path: Path
) -> None:
    said = staffroom("exam", "report", "town", "--pack", "exam")
    page = tmp_path / "exam-report-bba9675e55dbba6a.html"
    assert (said.status, value["asked"]) == (0, [("town", Path("exam"))])
    assert page.name in said.out
    assert page.read_text(encoding="utf-8").startswith('<!doctype html>\n<html lang="en">')


def test_the_language_is_that_of_the_terminal_or_the_one_asked_for(
    staffroom: CommandLine, value: dict[str, Any], tmp_path: Path
) -> None:
    staffroom("exam", "report", "town", "--out", "a.html", STAFFROOM_LANG="zh-TW")
    staffroom("exam", "report", "town", "--out", "b.HTM", "--lang", "zh-TW")
    for name in ("a.html", "b.HTM"):
        assert '<html lang="zh-Hant-TW">' in (tmp_path / name).read_text(encoding="utf-8")
    assert staffroom("exam", "report", "town", "--lang", "sv").status == 2


def test_stdout_and_json(staffroom: CommandLine, value: dict[str, Any], tmp_path: Path) -> None:
    assert staffroom("exam", "report", "town", "--out", "-").out.startswith("<!doctype html>")
    assert staffroom("exam", "report", "town", "--json").json == value["value"]
    assert staffroom("exam", "report", "town", "--json", "--out", "-").json == value["value"]
    assert list(tmp_path.glob("*.html")) == []
    assert staffroom("exam", "report", "town", "--json", "--out", "c.html").json == value["value"]
    assert (tmp_path / "c.html").exists()


def test_only_a_page_is_overwritten(staffroom: CommandLine, value: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "job.yaml").write_text("name: x\n")
    said = staffroom("exam", "report", "town", "--out", "job.yaml")
    assert (said.status, (tmp_path / "job.yaml").read_text()) == (2, "name: x\n")
    assert "hint: staffroom exam report TARGET --out report.html" in said.err
    assert value["asked"] == []
    assert staffroom("exam", "report", "town", "--out", "none/a.html").status == 3


def test_a_broken_log_ends_with_3_and_says_so(
    staffroom: CommandLine, value: dict[str, Any], tmp_path: Path
) -> None:
    value["value"]["log"]["ok"] = False
    value["value"]["answers"] = {"items": [], "left_out": "no-pack", "most": 6}
    said = staffroom("exam", "report", "town", "--out", "a.html")
    assert (said.status, "NOT in order" in said.out, "--pack" in said.out) == (3, True, True)
    assert "did NOT verify" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_a_hostile_run_cannot_choose_the_place(
    staffroom: CommandLine, value: dict[str, Any], tmp_path: Path
) -> None:
    value["value"]["run"] = "../../etc/x<y>"
    assert staffroom("exam", "report", "town").status == 0
    assert [path.name for path in tmp_path.glob("*.html")] == ["exam-report-etcxy.html"]
