"""The sealed split: opened once, by a named person, for one worker; the entry precedes the first item."""

import asyncio
import os
import shutil
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hire_world import EXAM, SIGNER, Town, unanswerable
from test_hire_killed import in_child

from staffroom.engine import FakeEngine
from staffroom.engine.errors import EngineStartError
from staffroom.evaluate import load_pack, sealed_commitment
from staffroom.ledger import opens, read_entries
from staffroom.pipeline.alpha import alpha_report
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.sealed import preview_unseal, unseal
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.exam import Split
from staffroom.store import Responses

AUDITOR = "Audit Office of Lowwater"


def open_it(
    town: Town, alias: str = "counter", by: str = AUDITOR, folder: Path | None = None
) -> dict[str, Any]:
    return asyncio.run(unseal(town.home, alias, folder or town.folder / "exam", by, "--yes", town.progress))


def body_of(town: Town, kind: str) -> dict[str, Any]:
    (entry,) = (item.entry for item in town.log.entries() if item.entry["type"] == kind)
    return dict(entry["body"])


def test_it_opens_after_its_entry_and_gives_sums(hired: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town, pack = hired, load_pack(hired.folder / "exam")
    put, first_kept = Responses.put_many, []

    def put_late(self: Responses, rows: Sequence[tuple[str, Any]]) -> None:
        first_kept.extend("sealed-opened" in town.types for _ in rows)
        put(self, rows)

    monkeypatch.setattr(Responses, "put_many", put_late)
    found = open_it(town)
    sealed = pack.items_of(Split.SEALED)
    assert first_kept == [True] * len(sealed)
    assert town.types[-3:] == ["items-marked", "sealed-opened", "sealed-evaluation"]
    assert found["facets"][0]["score"] == 1.0 and found["facets"][0]["n"] == len(sealed)
    assert found["facets"][0]["shown"] == "above" and found["facets"][0]["p_value"] <= 0.05
    assert "verdict" not in str(found["facets"])
    opened, committed = body_of(town, "sealed-opened"), body_of(town, "exam-committed")
    assert opened["committed_in"] == town.types.index("exam-committed")
    assert opened["commitment"] == committed["splits"]["sealed"]["commitment"] == found["commitment"]
    assert opened["release"] == town.hire().json["release"]
    published = b"".join(read_entries(town.home.log, town.log.size()))
    for secret in (AUDITOR, *(item.id for item in sealed), *(item.input for item in sealed)):
        assert f'"{secret}"'.encode() not in published
    assert town.log.value_behind(opened["by"]) == AUDITOR
    state = alpha_report(town.home, town.folder / "exam")["sealed"]
    assert state["items"] == len(sealed) and state["opened"]["entry"] == found["opened_in"]
    assert town.log.verify().ok


def test_the_commitment_can_be_opened_by_who_has_items_and_salt(hired: Town) -> None:
    pack = load_pack(hired.folder / "exam")
    open_it(hired)
    salt = hired.log.salt(f"sealed {pack.digest}")
    assert salt is not None
    assert sealed_commitment(pack, salt) == body_of(hired, "sealed-opened")["commitment"]
    assert not opens(body_of(hired, "sealed-opened")["by"], AUDITOR.encode(), salt)


def test_a_second_opening_is_refused_and_says_who_when_and_where(hired: Town) -> None:
    town = hired
    found = open_it(town)
    before = town.types
    for by in (AUDITOR, SIGNER):
        with pytest.raises(WrongUse) as refused:
            open_it(town, by=by)
        text = str(refused.value)
        assert f"by {AUDITOR} (entry {found['opened_in']} of the log)" in text
        assert f"its result is entry {found['log_entry']}" in text and "spent for ever" in text
    with pytest.raises(WrongUse, match="spent for ever"):
        preview_unseal(town.home, "counter", town.folder / "exam")
    assert town.types == before


@pytest.mark.parametrize("change", ["name", "threshold", "patterns", "one old item"])
def test_a_changed_pack_does_not_seal_it_again(hired: Town, change: str) -> None:
    town = hired
    sealed = [item.id for item in load_pack(town.folder / "exam").items_of(Split.SEALED)]
    open_it(town)
    items, exam = [unanswerable(number) for number in range(15)], EXAM
    if change == "name":
        exam = EXAM.replace("name: lowwater", "name: renamed")
    elif change == "threshold":
        exam = EXAM.replace("0.30", "0.25")
    elif change == "patterns":
        items = [{**item, "accept": ["do not say", "unknown"]} for item in items]
    else:
        exam = EXAM.replace("screen: 0.2, gate: 0.4, sealed: 0.4", "screen: 0.1, gate: 0.1, sealed: 0.8")
        items = [unanswerable(int(sealed[0][1:])), *(unanswerable(number) for number in range(300, 314))]
    for salt in range(30):
        town.write_exam(items, exam.replace('seed: "lowwater"', f'seed: "{salt}"') if salt else exam)
        if set(sealed) & {item.id for item in load_pack(town.folder / "exam").items_of(Split.SEALED)}:
            break
    with pytest.raises(WrongUse, match="spent for ever"):
        open_it(town)


def test_no_gate_asks_what_was_unsealed(hired: Town) -> None:
    town = hired
    sealed = {item.id for item in load_pack(town.folder / "exam").items_of(Split.SEALED)}
    open_it(town)
    for salt in range(30):
        town.write_exam(
            [unanswerable(number) for number in range(15)],
            EXAM.replace('seed: "lowwater"', f'seed: "{salt}"'),
        )
        if sealed & {item.id for item in load_pack(town.folder / "exam").items_of(Split.GATE)}:
            break
    with pytest.raises(WrongUse, match=f"were unsealed on .* by {AUDITOR}"):
        town.hire()


def test_what_was_asked_before_is_sealed_no_more(hired: Town) -> None:
    town = hired
    asked = {
        item.id
        for split in (Split.SCREEN, Split.GATE)
        for item in load_pack(town.folder / "exam").items_of(split)
    }
    for salt in range(30):
        town.write_exam(
            [unanswerable(number) for number in range(15)],
            EXAM.replace('seed: "lowwater"', f'seed: "{salt}"'),
        )
        if asked & {item.id for item in load_pack(town.folder / "exam").items_of(Split.SEALED)}:
            break
    before = town.types
    with pytest.raises(WrongUse, match="asked before"):
        open_it(town)
    assert town.types == before


def test_a_pack_that_no_run_committed_to_is_committed_to_first_and_said_so(hired: Town) -> None:
    town = hired
    town.write_exam([unanswerable(number) for number in range(500, 515)])
    assert preview_unseal(town.home, "counter", town.folder / "exam")["committed_in"] is None
    assert "sealed-committed" not in town.types
    found = open_it(town)
    assert found["committed_in"] is None
    assert town.types[-4:] == ["sealed-committed", "items-marked", "sealed-opened", "sealed-evaluation"]
    assert town.log.verify().ok


def test_a_pack_with_other_thresholds_opens_under_the_first_commitment(hired: Town) -> None:
    town = hired
    town.write_exam([unanswerable(number) for number in range(15)], EXAM.replace("0.30", "0.25"))
    found = open_it(town)
    assert found["committed_in"] == town.types.index("exam-committed")
    assert town.log.verify().ok


def test_killed_anywhere_it_goes_on_under_its_entry(hired: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    town = hired
    append, put = DecisionLog.append, Responses.put_many
    places = iter(["opened", "second response", "evaluation"])
    kept: list[str] = []

    def run_and_die_at(place: str) -> None:
        def append_and_die(self: DecisionLog, kind: str, key: str, run: str, body: dict[str, Any]) -> int:
            index = append(self, kind, key, run, body)
            if (kind, place) in (("sealed-opened", "opened"), ("sealed-evaluation", "evaluation")):
                os.kill(os.getpid(), signal.SIGKILL)
            return index

        def put_and_die(self: Responses, rows: Sequence[tuple[str, Any]]) -> None:
            put(self, rows)
            kept.extend(item for item, _ in rows)
            if len(kept) >= 2 and place == "second response":
                os.kill(os.getpid(), signal.SIGKILL)

        monkeypatch.setattr(DecisionLog, "append", append_and_die)
        monkeypatch.setattr(Responses, "put_many", put_and_die)
        open_it(town)

    for place in places:
        assert in_child(lambda place=place: run_and_die_at(place)) == -signal.SIGKILL  # type: ignore[misc]
        if place != "evaluation":
            assert preview_unseal(town.home, "counter", town.folder / "exam")["goes_on"]
    with pytest.raises(WrongUse, match="spent for ever"):
        open_it(town)
    assert [town.types.count(kind) for kind in ("sealed-opened", "sealed-evaluation")] == [1, 1]
    assert town.log.verify().ok


def test_an_unfinished_opening_does_not_pass_to_another_release_or_pack(
    hired: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = hired

    def no_more(self: Responses, rows: Sequence[tuple[str, Any]]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Responses, "put_many", no_more)
        with pytest.raises(KeyboardInterrupt):
            open_it(town)
    town.write_exam([unanswerable(number) for number in range(15)], EXAM.replace("0.30", "0.25"))
    with pytest.raises(WrongUse, match="spent for ever"):
        open_it(town)
    town.write_exam([unanswerable(number) for number in range(15)])
    (town.folder / "documents" / "library.md").write_text("# Library\n\nLoans last 30 days.\n")
    town.write_job(title="Another title")
    town.hire()
    with pytest.raises(WrongUse, match="spent for ever"):
        open_it(town)
    assert "sealed-evaluation" not in town.types


def test_a_worker_that_cannot_start_spends_nothing(hired: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(*_: object) -> None:
        raise EngineStartError("the engine does not start", hint="staffroom doctor")

    before = hired.types
    with monkeypatch.context() as patch:
        patch.setattr(FakeEngine, "start", broken)
        with pytest.raises(StaffroomError, match="does not start"):
            open_it(hired)
    assert hired.types == before
    assert open_it(hired)["facets"]


@pytest.mark.parametrize(
    ("alias", "by", "exam", "words"),
    [
        ("nobody", AUDITOR, EXAM, "no worker is released as `nobody`"),
        ("counter", "  ", EXAM, "named person"),
        ("counter", AUDITOR, EXAM.replace("locale: en", "locale: sv-SE"), "the exam is for sv-SE"),
        (
            "counter",
            AUDITOR,
            EXAM.replace("gate: 0.4, sealed: 0.4", "gate: 0.8, sealed: 0.0"),
            "no sealed items",
        ),
    ],
)
def test_what_cannot_be_opened_is_refused_and_spends_nothing(
    hired: Town, alias: str, by: str, exam: str, words: str
) -> None:
    folder = hired.folder / "exam"
    before = hired.types
    shutil.rmtree(folder)
    hired.write_exam([unanswerable(number) for number in range(15)], exam)
    with pytest.raises(WrongUse, match=words):
        open_it(hired, alias, by)
    assert hired.types == before


def test_without_a_worker_nothing_is_made(town: Town) -> None:
    town.home.database.unlink(missing_ok=True)
    with pytest.raises(WrongUse, match="no worker has been released"):
        preview_unseal(town.home, "counter", town.folder / "exam")
    assert not town.home.database.exists()
