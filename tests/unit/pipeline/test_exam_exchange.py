"""Exams from and to outside: what is exported may be shown, and what is imported is a pack."""

import asyncio
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hire_world import SIGNER, Quiet, Town

from staffroom.evaluate import load_pack
from staffroom.pipeline import service
from staffroom.pipeline.alpha import retire_gate
from staffroom.pipeline.exam_exchange import (
    ImportOptions,
    easy_kinds,
    export_evaluation,
    facts_of_job,
    fault_of_question,
    import_exam,
    new_exam,
    read_plain_items,
)
from staffroom.pipeline.exams import sit_exam
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Split
from staffroom.store import Home


@pytest.fixture
def examined(hired: Town) -> tuple[Town, dict[str, str]]:
    """A town whose worker has sat its exam, and the digests of the two evaluations."""

    async def run() -> dict[str, Any]:
        async with service.open_worker(hired.home, "counter") as worker:
            return await sit_exam(worker.agent, "counter", hired.folder / "exam", hired.home, Quiet())

    return hired, asyncio.run(run())["evaluations"]


def test_items_of_the_screen_are_exported_and_a_gate_gives_sums_until_it_is_retired(
    examined: tuple[Town, dict[str, str]], tmp_path: Path
) -> None:
    town, digests = examined
    folder = town.folder / "exam"
    pack = load_pack(folder)
    beginning = digests["screen"].removeprefix("sha256:")[:12]
    screen = export_evaluation(town.home, beginning, "inspect", tmp_path / "s.eval", folder=folder)
    assert screen["evaluation"] == digests["screen"]
    assert screen["items"] == len(pack.items_of(Split.SCREEN)) and screen["sums_only"] == ""
    with zipfile.ZipFile(tmp_path / "s.eval") as archive:
        header = json.loads(archive.read("header.json"))
        assert header["eval"]["model"] == "staffroom/counter" and header["eval"]["task"] == "lowwater"
    gate = export_evaluation(town.home, digests["gate"], "inspect", tmp_path / "g.json", folder=folder)
    assert gate["items"] == 0 and "not shown until it is retired" in gate["sums_only"]
    text = (tmp_path / "g.json").read_text(encoding="utf-8")
    for item in pack.items_of(Split.GATE):
        assert item.input not in text and f'"{item.id}"' not in text
    assert json.loads(text)["results"]["total_samples"] == len(pack.items_of(Split.GATE))
    retire_gate(town.home, folder, SIGNER, "--yes")
    shown = export_evaluation(
        town.home, digests["gate"], "eee", tmp_path / "tree", folder=folder, organisation="Lowwater"
    )
    assert shown["items"] == len(pack.items_of(Split.GATE))
    record, samples = (Path(name) for name in shown["files"])
    assert (
        json.loads(record.read_text(encoding="utf-8"))["source_metadata"]["source_organization_name"]
        == "Lowwater"
    )
    value = json.loads(record.read_text(encoding="utf-8"))["detailed_evaluation_results"]
    assert str(record.parent.relative_to(tmp_path / "tree") / samples.name) == value["file_path"]
    assert samples.read_text(encoding="utf-8").count("\n") == shown["items"]


def test_without_the_pack_there_are_sums_and_a_wrong_pack_is_refused(
    examined: tuple[Town, dict[str, str]], tmp_path: Path
) -> None:
    town, digests = examined
    plain = export_evaluation(town.home, digests["screen"], "eee", tmp_path / "a.json")
    assert plain["items"] == 0 and len(plain["files"]) == 1 and "--pack" in plain["sums_only"]
    with pytest.raises(WrongUse, match="nothing is overwritten"):
        export_evaluation(town.home, digests["screen"], "eee", tmp_path / "a.json")
    changed = tmp_path / "changed"
    changed.mkdir()
    for file in (town.folder / "exam").iterdir():
        text = file.read_text(encoding="utf-8").replace("version: 1", "version: 2")
        (changed / file.name).write_text(text, encoding="utf-8")
    with pytest.raises(WrongUse, match="not the pack that was examined"):
        export_evaluation(town.home, digests["screen"], "eee", tmp_path / "b.json", folder=changed)
    with pytest.raises(WrongUse, match=r"end in \.json or \.eval"):
        export_evaluation(town.home, digests["screen"], "inspect", tmp_path / "b.txt")
    with pytest.raises(WrongUse, match="no evaluation sha256:0 is kept here"):
        export_evaluation(town.home, "sha256:0", "inspect", tmp_path / "b.json")
    with pytest.raises(WrongUse, match="nothing was examined here yet"):
        export_evaluation(Home(tmp_path / "empty"), "sha256:0", "inspect", tmp_path / "b.json")
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["a.json"]


def test_a_table_becomes_a_pack_with_its_findings(tmp_path: Path) -> None:
    table = tmp_path / "town.csv"
    rows = "".join(f"{chr(0x4E00 + n * 9) * 9}？,甲{n},乙{n},A\n" for n in range(40))
    table.write_text(f"題目,選項A,選項B,答案\n{rows}", encoding="utf-8")
    value = import_exam(table, tmp_path / "pack", ImportOptions(locale="zh-TW", name="Town Hall"))
    assert (value["name"], value["items"], value["asking"]) == ("town-hall", 40, "worker")
    assert any("always answering A scores 1.00" in finding["text"] for finding in value["findings"])
    assert load_pack(tmp_path / "pack").digest == value["pack"]
    with pytest.raises(WrongUse, match="are for task files of lm-eval"):
        import_exam(table, tmp_path / "other", ImportOptions(locale="zh-TW", shots=2))
    with pytest.raises(WrongUse, match="there is no such file"):
        import_exam(tmp_path / "gone.csv", tmp_path / "other", ImportOptions(locale="zh-TW"))


QUESTION: dict[str, Any] = {
    "kind": "choice",
    "question": "When?",
    "options": ["1", "2"],
    "answer": "A",
    "source": "a.md#When",
}


def test_a_new_exam_says_what_it_lacks(tmp_path: Path) -> None:
    value = new_exam(tmp_path / "pack", "First Exam", "en", [QUESTION], (), Quiet())
    assert (value["name"], value["loads"]) == ("first-exam", False) and "no item falls" in value["missing"]
    (facet,) = value["facets"]
    assert facet["written"] == 1 and facet["least"] > 1 and facet["likely"] > facet["least"]
    many = [{**QUESTION, "question": f"{chr(0x4E00 + n * 9) * 9}?", "source": f"a.md#{n}"} for n in range(20)]
    document = tmp_path / "a.md"
    document.write_text("# When\n\n" + str(many[7]["question"]) + " The answer is one.\n", encoding="utf-8")
    value = new_exam(tmp_path / "more", "more", "en", many, (document,), Quiet())
    assert value["loads"]
    assert any("8-grams stand in one passage" in finding["text"] for finding in value["findings"])


def test_what_is_asked_at_the_terminal_is_checked_at_once(tmp_path: Path) -> None:
    assert fault_of_question(QUESTION, "en") == ""
    assert "letter is one of A, B" in fault_of_question({**QUESTION, "answer": "Z"}, "en")
    assert "question" in fault_of_question({"kind": "short"}, "en")
    assert easy_kinds("zh-TW") == ["choice", "short", "unanswerable", "refuse"]
    assert easy_kinds("fi-FI") == ["choice", "short"]
    file = tmp_path / "q.jsonl"
    file.write_text(json.dumps(QUESTION) + "\n{\n", encoding="utf-8")
    with pytest.raises(WrongUse, match=r"q\.jsonl:2: not valid JSON"):
        read_plain_items(file)


def test_a_job_says_locale_and_documents(town: Town) -> None:
    facts = facts_of_job(town.folder / "job.yaml")
    assert facts.locale == "en" and all(path.exists() for path in facts.documents) and facts.documents
