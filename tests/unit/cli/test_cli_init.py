from pathlib import Path

import pytest
from command_line import CommandLine

from staffroom.evaluate import load_pack
from staffroom.pipeline.orders import HireOrder, prepare
from staffroom.records.exam import Kind, Split
from staffroom.records.job_description import JobDescription
from staffroom.text.locale import check

LOCALES = ["en", "zh-TW"]


@pytest.mark.parametrize("locale", LOCALES)
def test_the_starter_is_ready_for_a_hire(staffroom: CommandLine, tmp_path: Path, locale: str) -> None:
    folder = tmp_path / "a job"
    said = staffroom("init", folder, "--locale", locale, "--json")
    assert said.status == 0
    assert {Path(name).relative_to(folder).as_posix() for name in said.json["files"]} == {
        "job.yaml",
        "charter.md",
        "documents/sample.md",
        "exam/exam.yaml",
        "exam/items.jsonl",
        "exam/SOURCES.md",
    }
    prepared = prepare(HireOrder(folder / "job.yaml"))
    assert prepared.job.locale == locale
    assert set(prepared.documents) == {"sample.md"}
    assert {item.kind for item in prepared.pack.items} == {
        Kind.CHOICE,
        Kind.SHORT,
        Kind.UNANSWERABLE,
        Kind.REFUSE,
        Kind.LOCALE,
    }
    assert all(prepared.pack.items_of(split) for split in Split)


@pytest.mark.parametrize("locale", LOCALES)
def test_the_starter_exam_is_in_order(staffroom: CommandLine, tmp_path: Path, locale: str) -> None:
    staffroom("init", tmp_path, "--locale", locale)
    said = staffroom("exam", "check", tmp_path / "exam", "--documents", tmp_path / "documents", "--json")
    assert said.status == 0
    assert said.json["ok"]
    assert [row for row in said.json["findings"] if row["severity"] != "note"] == []


@pytest.mark.parametrize("locale", LOCALES)
def test_every_section_of_the_starter_is_asked_about(
    staffroom: CommandLine, tmp_path: Path, locale: str
) -> None:
    staffroom("init", tmp_path, "--locale", locale)
    text = (tmp_path / "documents/sample.md").read_text(encoding="utf-8")
    asked = {item.cluster for item in load_pack(tmp_path / "exam").items if item.reference}
    sections = {f"sample#{line[3:]}" for line in text.splitlines() if line.startswith("## ")}
    assert asked == sections


def test_the_chinese_starter_is_taiwanese(staffroom: CommandLine, tmp_path: Path) -> None:
    staffroom("init", tmp_path, "--locale", "zh-TW")
    for name in ("job.yaml", "charter.md", "documents/sample.md", "exam/exam.yaml", "exam/SOURCES.md"):
        found = check((tmp_path / name).read_text(encoding="utf-8"), "zh-TW")
        assert not found.simplified, (name, found)
        assert not found.wording, (name, found)


def test_the_starter_names_every_top_field(staffroom: CommandLine, tmp_path: Path) -> None:
    staffroom("init", tmp_path, "--locale", "en")
    text = (tmp_path / "job.yaml").read_text(encoding="utf-8")
    assert not [
        name
        for name in JobDescription.model_fields
        if f"\n{name}:" not in text and f"\n# {name}:" not in text
    ]


def test_nothing_is_overwritten(staffroom: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "charter.md").write_text("mine")
    said = staffroom("init", tmp_path)
    assert said.status == 2
    assert "charter.md" in said.err
    assert (tmp_path / "charter.md").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["charter.md"]


def test_the_language_is_that_of_the_terminal(staffroom: CommandLine, tmp_path: Path) -> None:
    said = staffroom("init", tmp_path / "here", "--json", STAFFROOM_LANG="zh-TW")
    assert said.json["locale"] == "zh-TW"
    assert "locale: zh-TW" in (tmp_path / "here" / "job.yaml").read_text(encoding="utf-8")


def test_a_place_that_cannot_be_written_is_named(staffroom: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = staffroom("init", tmp_path / "file" / "below")
    assert said.status == 3
    assert "below" in said.err
