from collections.abc import Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from command_line import CommandLine


def test_packs_and_public_sets_are_listed(staffroom: CommandLine) -> None:
    said = staffroom("exam", "packs")
    assert said.status == 0
    assert (
        "locale-zh-TW" in said.out
        and "CC BY 4.0" in said.out
        and "superlim/swewinograd_test.jsonl" in said.out
    )
    assert "--data FOLDER" in said.out
    rows = {row["name"]: row for row in staffroom("exam", "packs", "--json").json["packs"]}
    assert rows["ttqa"]["kind"] == "public" and rows["locale-sv-SE"]["kind"] == "packaged"
    assert "公開題庫" in staffroom("exam", "packs", STAFFROOM_LANG="zh-TW").out


def test_a_pack_for_another_locale_is_written(staffroom: CommandLine, tmp_path: Path) -> None:
    folder = tmp_path / "fi"
    said = staffroom("exam", "packs", "--new-locale", folder, "--locale", "fi-FI")
    assert said.status == 0 and f"staffroom exam check {folder}" in said.out
    assert "locale: fi-FI" in (folder / "locale" / "rules.yaml").read_text("utf-8")
    assert staffroom("exam", "packs", "--new-locale", folder, "--locale", "fi-FI").status == 2
    assert "hint: staffroom exam packs --new-locale" in staffroom("exam", "packs", "--locale", "fi-FI").err
    assert staffroom("exam", "packs", "--new-locale", tmp_path / "other").status == 2
    value = staffroom("exam", "packs", "--new-locale", tmp_path / "nb", "--locale", "nb-NO", "--json").json
    assert value["locale"] == "nb-NO" and "locale/rules.yaml" in value["files"]


def test_a_public_set_without_its_files_says_what_is_expected(staffroom: CommandLine, tmp_path: Path) -> None:
    said = staffroom("exam", "run", "counter", "acva")
    assert said.status == 2
    assert "acva-saudi/acva-saudi.jsonl" in said.err and "Apache-2.0" in said.err
    assert said.err.rstrip().endswith("hint: staffroom exam run WORKER acva --data FOLDER")
    assert str(tmp_path) in staffroom("exam", "run", "counter", "acva", STAFFROOM_DATA=str(tmp_path)).err
    assert staffroom("exam", "run", "counter", "acva", "--limit", "3").status == 2


def test_a_run_finds_the_pack_and_shows_how_the_answers_are_written(
    staffroom: CommandLine, pipeline: Callable[..., None]
) -> None:
    asked: list[Any] = []
    rate = {"faulty": 2, "share": 0.2, "per_1000_characters": 1.0, "by_check": {"vocabulary": 2}}
    answers = {"locale": "zh-TW", "answers": 10, "raw": rate, "served": {**rate, "faulty": 1}}

    @asynccontextmanager
    async def open_worker(home: object, alias: str) -> Any:
        yield SimpleNamespace(agent=alias)

    async def sit_exam(
        agent: str, alias: str, folder: Path, home: object, progress: object, **options: Any
    ) -> dict[str, Any]:
        asked.append((folder.name, options))
        return {
            "alias": alias,
            "name": "x",
            "items": 3,
            "facets": [],
            "corrected": [],
            "uncalibrated": ["tone"],
            "wrong_language": 0,
            "locale_answers": answers,
            "log_entry": 4,
        }

    pipeline("service", open_worker=open_worker)
    pipeline("exams", sit_exam=sit_exam)
    said = staffroom("exam", "run", "counter", "locale-zh-tw", "--other-locale")
    assert said.status == 0
    assert "open answers not as zh-TW writes: 2 of 10 as the model wrote them, 1 as served" in said.out
    assert asked == [("locale-zh-TW", {"seed": 0, "other_locale": True})]
