"""Which exam a name means, and a sitting of an exam for another locale."""

import asyncio
import json
from pathlib import Path

import pytest
from hire_world import Quiet, Town

from staffroom.evaluate import load_pack
from staffroom.pipeline import service
from staffroom.pipeline.exam_targets import find_exam, known_exams, new_locale_pack
from staffroom.pipeline.exams import check_exam, sit_exam
from staffroom.records.errors import WrongUse
from staffroom.store import Home

ROWS = [
    {"id": f"t{number}", "category": "FOOD", "question": f"第{number}題？", "choices": ["甲", "乙"], "answer": "A"}
    for number in range(30)
]  # fmt: skip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    (folder / "ttqa").mkdir(parents=True)
    (folder / "ttqa" / "ttqa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_a_name_is_a_folder_a_packaged_pack_or_a_public_set(
    tmp_path: Path, home: Home, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    packaged = find_exam(Path("locale-zh-TW"), home)
    assert packaged == find_exam(Path("LOCALE-ZH-tw"), home)
    assert load_pack(packaged).locale == "zh-TW"
    public = find_exam(Path("ttqa"), home, data)
    assert public.parent == home.private / "public-sets"
    assert (home.private / "public-sets").stat().st_mode & 0o077 == 0
    assert find_exam(Path("ttqa"), home, None, None, str(data)) == public
    few = find_exam(Path("ttqa"), home, data, 12)
    assert few != public and len(load_pack(few).items) == 12
    # A folder of the name comes first, if it holds a pack.
    (tmp_path / "ttqa").mkdir()
    assert find_exam(Path("ttqa"), home, data) == public
    (tmp_path / "ttqa" / "exam.yaml").write_text("name: own\n")
    assert find_exam(Path("ttqa"), home) == Path("ttqa")
    assert find_exam(tmp_path / "ttqa", home) == tmp_path / "ttqa"


def test_what_is_not_there_is_said_with_what_to_do(tmp_path: Path, home: Home, data: Path) -> None:
    with pytest.raises(WrongUse, match="did you mean `locale-sv-SE`") as caught:
        find_exam(Path("locale-sv"), home)
    assert caught.value.hint == "staffroom exam packs"
    with pytest.raises(
        WrongUse, match=r"Apache-2\.0; from https://github\.com/mtkresearch.*ttqa/ttqa\.jsonl"
    ) as caught:
        find_exam(Path("ttqa"), home)
    assert caught.value.hint == "staffroom exam run WORKER ttqa --data FOLDER"
    with pytest.raises(WrongUse, match="is not there"):
        find_exam(Path("ttqa"), home, tmp_path)
    for extra in ((data, None), (None, 20)):
        with pytest.raises(WrongUse, match="are for public sets"):
            find_exam(Path("locale-zh-TW"), home, *extra)
    assert not (home.private / "public-sets").exists() or not list((home.private / "public-sets").iterdir())


def test_all_known_exams_are_listed_with_their_terms() -> None:
    rows = {row["name"]: row for row in known_exams()}
    assert {"locale-zh-TW", "locale-sv-SE", "locale-ar-SA", "ttqa", "tmmlu", "acva", "superlim"} <= set(rows)
    assert "locale-template" not in rows
    assert all(row["license"] and row["source"] and row["items"] for row in rows.values())
    assert rows["locale-zh-TW"]["facets"]["culture"] >= 60
    assert rows["superlim"]["files"] == [
        "superlim/swesat-synonyms_test.jsonl",
        "superlim/swewinograd_test.jsonl",
    ]


def test_a_new_locale_starts_from_a_pack_that_checks(tmp_path: Path) -> None:
    value = new_locale_pack(tmp_path / "pack", "en-IE")
    assert value["files"] == [
        "SOURCES.md",
        "exam.yaml",
        "items.jsonl",
        "locale/SOURCES.md",
        "locale/rules.yaml",
    ]
    report = check_exam(tmp_path / "pack", (), Quiet())
    assert report["ok"] and report["locale"] == "en-IE"


def test_an_exam_of_another_locale_needs_the_flag_and_the_log_says_so(hired: Town, data: Path) -> None:
    folder = find_exam(Path("ttqa"), hired.home, data, 12)

    async def sit(other_locale: bool) -> dict[str, object]:
        async with service.open_worker(hired.home, "counter") as worker:
            return await sit_exam(
                worker.agent, "counter", folder, hired.home, Quiet(), other_locale=other_locale
            )

    with pytest.raises(WrongUse, match="the exam is for zh-TW, the worker answers for en") as caught:
        asyncio.run(sit(False))
    assert "--other-locale" in caught.value.hint
    size = hired.log.size()
    value = asyncio.run(sit(True))
    assert value["items"] == 12 and value["exam_locale"] == "zh-TW"
    assert hired.log.size() == size + 1
    assert list(hired.log.entries())[-1].entry["body"]["exam_locale"] == "zh-TW"
    assert value["locale_answers"]["answers"] == 0  # type: ignore[index]
