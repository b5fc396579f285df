"""Which gates draw on one purse, when a gate is used up or closed, what is reported, and how it stands in the log."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hire_world import EXAM, SIGNER, Town, report_of, unanswerable
from hypothesis import given, settings
from hypothesis import strategies as st
from test_hire_killed import in_child

from staffroom.evaluate import ItemMarks, load_pack
from staffroom.ledger import check_exams, read_entries
from staffroom.pipeline import alpha as module
from staffroom.pipeline.alpha import (
    AlphaLedger,
    Closed,
    GateUse,
    ItemSet,
    Why,
    alpha_report,
    may_be_shown,
    retire_gate,
)
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.exams import sit_exam
from staffroom.pipeline.sealed import unseal
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Split
from staffroom.stats import alpha_for_use
from staffroom.store import HomeBusy


def gate_of(town: Town) -> list[str]:
    pack = load_pack(town.folder / "exam")
    return [item.id for item in pack.items_of(Split.GATE)]


def report(town: Town) -> dict[str, object]:
    return alpha_report(town.home, town.folder / "exam")


def alpha_of(town: Town) -> float:
    return float(town.hire().json["alpha"])


def use(town: Town) -> int:
    """Hire, and return which use of its purse the gate was."""
    town.hire()
    return int(town.log.entries()[types_last(town, "gate-opened")].entry["body"]["use"])


def types_last(town: Town, kind: str) -> int:
    return max(index for index, found in enumerate(town.types) if found == kind)


# --- what counts as the same gate ---


def test_a_new_name_version_or_threshold_does_not_refill_the_purse(town: Town) -> None:
    assert use(town) == 1
    items = [unanswerable(number) for number in range(15)]
    town.write_exam(
        items, EXAM.replace("name: lowwater", "name: renamed").replace("version: 1", "version: 9")
    )
    assert use(town) == 2
    town.write_exam(items, EXAM.replace("0.30", "0.25"))
    assert use(town) == 3
    assert town.log.verify().ok


def test_new_ids_patterns_notes_and_punctuation_do_not_refill_it(town: Town) -> None:
    assert use(town) == 1
    items = []
    for number in range(15):
        item = unanswerable(number)
        asked = item["input"].upper().replace("?", " ？")
        items.append(
            {**item, "id": f"new-{number}", "input": asked, "note": "n", "accept": ["do not say", "unknown"]}
        )
    town.write_exam(items)
    assert use(town) == 2


def test_one_item_carried_over_keeps_the_history_and_none_does_not(town: Town) -> None:
    assert use(town) == 1
    kept = int(gate_of(town)[0][1:])
    # All items in the gate, so that the one that is carried over is surely there.
    everything = EXAM.replace("screen: 0.2, gate: 0.4, sealed: 0.4", "screen: 0.1, gate: 0.9, sealed: 0.0")
    for number in range(100, 130):
        town.write_exam([unanswerable(kept), *(unanswerable(other) for other in range(100, 115))], everything)
        if f"u{kept}" in gate_of(town):
            break
        everything = everything.replace('seed: "', f'seed: "{number}')
    assert f"u{kept}" in gate_of(town)
    assert report(town)["used_before"] == [f"u{kept}"]
    assert use(town) == 2
    town.write_exam([unanswerable(other) for other in range(200, 215)])
    assert use(town) == 1
    assert town.log.verify().ok


def test_a_source_named_alike_relates_two_gates_of_other_questions(town: Town) -> None:
    def on(pages: Iterable[int], start: int) -> list[dict[str, object]]:
        return [{**unanswerable(start + page), "cluster": f"Bylaw, page {page}"} for page in pages]

    town.write_exam(on(range(15), 0))
    assert use(town) == 1
    town.write_exam(on(range(15), 500))
    assert use(town) == 2
    town.write_exam(on(range(20, 35), 700))
    assert use(town) == 1


def test_relation_goes_through_others_and_each_use_is_reported(town: Town) -> None:
    """A and C share nothing, B shares with both: whoever comes last has two before it."""
    whole = EXAM.replace("screen: 0.2, gate: 0.4, sealed: 0.4", "screen: 0.5, gate: 0.5, sealed: 0.0")

    def pages(numbers: Iterable[int], start: int) -> list[dict[str, object]]:
        """Two questions a page, so that each page of a pack with few pages may fall into the gate."""
        return [{**unanswerable(start + number), "cluster": f"page {number // 2}"} for number in numbers]

    town.write_exam(pages(range(28), 0), whole)
    assert use(town) == 1
    gate_pages = {item.cluster for item in load_pack(town.folder / "exam").items_of(Split.GATE)}
    assert len(gate_pages) > 3
    town.write_exam([{**unanswerable(900 + n), "cluster": f"other {n // 2}"} for n in range(28)], whole)
    assert use(town) == 1
    other_pages = {item.cluster for item in load_pack(town.folder / "exam").items_of(Split.GATE)}
    both = [*sorted(gate_pages), *sorted(other_pages)]
    town.write_exam([{**unanswerable(2000 + n), "cluster": both[n % len(both)]} for n in range(28)], whole)
    shown = {item.cluster for item in load_pack(town.folder / "exam").items_of(Split.GATE)}
    assert shown & gate_pages and shown & other_pages
    assert [row["use"] for row in report(town)["uses"]] == [1, 1]  # type: ignore[attr-defined]
    assert use(town) == 3
    assert town.log.verify().ok


# --- used up ---


def tight(town: Town) -> None:
    """Six clusters at 0.40: a perfect result has p = 0.4^6 = 0.0041, so two uses and no more."""
    town.write_exam([unanswerable(number) for number in range(15)], EXAM.replace("0.30", "0.40"))


def test_a_used_up_gate_is_refused_before_anything_is_asked(town: Town) -> None:
    tight(town)
    assert report(town)["uses_in_all"] == 2
    for number in range(2):
        town.write_job(title=f"Title {number}")
        assert town.hire().json["verdict"] == "promoted"
    found = report(town)
    assert found["used_up"] and not found["open"] and len(found["uses"]) == 2  # type: ignore[arg-type]
    assert found["next"]["facets"][0]["needs"] == 7  # type: ignore[index]
    before, stages = town.types, len(town.progress.stages)
    town.write_job(title="One too many")
    with pytest.raises(WrongUse) as refused:
        town.hire()
    text = str(refused.value)
    runs = [row["run"] for row in found["uses"]]  # type: ignore[attr-defined]
    assert "opened 2 times" in text and all(run in text for run in runs)
    assert "facet unanswerable has 6 clusters in the gate and would need 7" in text
    assert "unanswerable 1 more" in text and "exam unseal" in text
    assert town.types == before
    assert "race on the screen split" not in town.progress.stages[stages:]
    town.write_job(title="Title 0")
    assert town.hire().json["unchanged"], "what was decided stays decided"
    town.write_job(title="Rehearsed")
    assert town.hire(dry_run=True).json["verdict"] == "promoted", "a rehearsal is never refused"
    town.write_exam([unanswerable(number) for number in range(30)], EXAM.replace("0.30", "0.40"))
    assert alpha_of(town) == pytest.approx(alpha_for_use(3)), "more items are a way out, at the smaller alpha"
    assert town.log.verify().ok


def test_a_gate_does_not_get_easier_by_being_used(town: Town) -> None:
    """A small facet that drops out at a later use bars the gate; it is not quietly reported instead."""
    exam = EXAM.replace("  unanswerable: {threshold: 0.30, gated: true}\n", (
        "  unanswerable: {threshold: 0.30, gated: true}\n  few: {threshold: 0.35, gated: true}\n"
    )).replace('seed: "lowwater"', 'seed: "lowwater", stratify: facet')  # fmt: skip
    items = [unanswerable(number) for number in range(40)]
    items += [{**unanswerable(number), "facet": "few"} for number in range(100, 112)]
    town.write_exam(items, exam)
    few = load_pack(town.folder / "exam").clusters_of(Split.GATE)["few"]
    most = report(town)["uses_in_all"]
    assert most == max(i for i in range(1, 30) if 0.35**few <= alpha_for_use(i)) < 10
    for number in range(int(most)):  # type: ignore[call-overload]
        town.write_job(title=f"Title {number}")
        assert [row["gated"] for row in town.hire().json["facets"]] == [True, True]
    town.write_job(title="One more")
    with pytest.raises(WrongUse, match="facet few has"):
        town.hire()


def test_a_facet_that_never_could_decide_uses_nothing_up(town: Town) -> None:
    town.write_exam([unanswerable(number) for number in range(5)])
    for number in range(3):
        town.write_job(title=f"Title {number}")
        assert town.hire().json["verdict"] == "undecided"
    assert report(town)["uses_in_all"] == 0
    assert not report(town)["used_up"]


# --- killed, and two at a time ---


def test_a_kill_between_the_charge_and_the_first_item_keeps_charge_and_number(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = DecisionLog.append

    def append_and_die(self: DecisionLog, kind: str, key: str, run: str, body: dict[str, object]) -> int:
        index = append(self, kind, key, run, body)
        if kind == "gate-opened":
            os.kill(os.getpid(), signal.SIGKILL)
        return index

    with monkeypatch.context() as patch:
        patch.setattr(DecisionLog, "append", append_and_die)
        assert in_child(town.hire) == -signal.SIGKILL
    assert [row["decided"] for row in report(town)["uses"]] == [False]  # type: ignore[attr-defined]
    town.write_job(title="Another title")
    assert alpha_of(town) == pytest.approx(alpha_for_use(2)), "the charge stays"
    town.write_job()
    resumed = town.hire()
    assert resumed.json["alpha"] == pytest.approx(alpha_for_use(1)), "and so does its number"
    assert report_of(town.hire()) == report_of(resumed)
    assert [row["use"] for row in report(town)["uses"]] == [1, 2]  # type: ignore[attr-defined]
    assert town.log.verify().ok


def test_nothing_else_is_charged_or_closed_while_a_hire_runs(hired: Town) -> None:
    held = (
        "import sys, time; from pathlib import Path; from staffroom.store import Home\n"
        "with Home(Path(sys.argv[1])).lock('hire'):\n    print('held', flush=True); time.sleep(60)\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", held, str(hired.home.path)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None and child.stdout.readline() == "held\n"
        with pytest.raises(HomeBusy):
            hired.hire()
        with pytest.raises(HomeBusy):
            retire_gate(hired.home, hired.folder / "exam", SIGNER, "--yes")
        with pytest.raises(HomeBusy):
            asyncio.run(unseal(hired.home, "counter", hired.folder / "exam", SIGNER, "--yes", hired.progress))
        agent: Any = SimpleNamespace(spec=SimpleNamespace(locale="en"))
        with pytest.raises(HomeBusy):
            asyncio.run(sit_exam(agent, "counter", hired.folder / "exam", hired.home, hired.progress))
    finally:
        child.kill()
        child.communicate()
    assert not {"gate-retired", "sealed-opened", "exam"} & set(hired.types)


# --- retired ---


def test_a_retired_gate_may_be_shown_and_is_never_opened_again(hired: Town) -> None:
    town, pack = hired, load_pack(hired.folder / "exam")
    assert may_be_shown(town.home, pack) == {Split.SCREEN}
    done = retire_gate(town.home, town.folder / "exam", SIGNER, "terminal")
    assert done["uses"] == 1 and done["why"] == "retired" and done["unfinished"] == []
    assert retire_gate(town.home, town.folder / "exam", "Somebody else", "--yes") == done
    assert may_be_shown(town.home, pack) == {Split.SCREEN, Split.GATE}
    assert SIGNER.encode() not in b"".join(read_entries(town.home.log, town.log.size()))
    assert town.hire().json["unchanged"], "what was decided stays decided"
    town.write_job(title="Another title")
    before = town.types
    with pytest.raises(WrongUse, match=rf"retired on 20.* by {SIGNER} \(entry {done['entry']} of the log\)"):
        town.hire()
    assert town.types == before
    closed = report(town)["closed"]
    assert closed["entry"] == done["entry"] and not report(town)["open"]  # type: ignore[index]
    for path in (town.home.private / "commitments").iterdir():
        path.unlink()
    with pytest.raises(WrongUse, match="a person whose name is no longer kept"):
        town.hire()
    assert town.log.verify().ok


def test_a_gate_with_a_part_of_the_retired_questions_is_closed_and_new_ones_are_not(hired: Town) -> None:
    town, gate = hired, gate_of(hired)
    retire_gate(town.home, town.folder / "exam", SIGNER, "--yes")
    kept = unanswerable(int(gate[0][1:]))
    for salt in range(30):
        exam = EXAM.replace('seed: "lowwater"', f'seed: "{salt}"')
        town.write_exam([kept, *(unanswerable(number) for number in range(300, 314))], exam)
        if kept["id"] in gate_of(town):
            break
    with pytest.raises(WrongUse, match="were retired"):
        town.hire()
    assert may_be_shown(town.home, load_pack(town.folder / "exam")) == {Split.SCREEN}
    town.write_exam([unanswerable(number) for number in range(300, 315)])
    assert use(town) == 1


def test_a_gate_that_was_never_opened_cannot_be_retired(town: Town) -> None:
    with pytest.raises(WrongUse, match="no gate was ever opened"):
        retire_gate(town.home, town.folder / "exam", SIGNER, "--yes")
    assert town.types == []


def test_a_run_that_opened_a_gate_and_was_killed_cannot_decide_once_it_is_retired(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = DecisionLog.append

    def dies_before_the_decision(
        self: DecisionLog, kind: str, key: str, run: str, body: dict[str, object]
    ) -> int:
        if kind == "decision":
            raise KeyboardInterrupt
        return append(self, kind, key, run, body)

    with monkeypatch.context() as patch:
        patch.setattr(DecisionLog, "append", dies_before_the_decision)
        with pytest.raises(KeyboardInterrupt):
            town.hire()
    done = retire_gate(town.home, town.folder / "exam", SIGNER, "--yes")
    assert len(done["unfinished"]) == 1
    with pytest.raises(WrongUse, match="were retired"):
        town.hire()


# --- the log, old and new ---


def test_a_log_from_before_there_were_marks_counts_and_verifies(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        for place in (module, sys.modules["staffroom.pipeline.committing"]):
            patch.setattr(place, "mark", lambda log, run, items: None)
        town.hire()
    assert "items-marked" not in town.types
    assert town.log.verify().ok
    assert town.hire().json["unchanged"]
    assert "items-marked" not in town.types
    town.write_job(title="Another title")
    assert use(town) == 2
    assert town.types.count("items-marked") == 2
    town.write_exam([unanswerable(number) for number in range(100, 115)])
    assert use(town) == 1
    assert town.log.verify().ok


def test_a_large_gate_is_marked_in_parts(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MARKS_PER_ENTRY", 4)
    assert use(town) == 1
    rows = [item.entry["body"] for item in town.log.entries() if item.entry["type"] == "items-marked"]
    gate = [row for row in rows if row["set"] == report(town)["gate_split"]]
    assert [(row["part"], row["parts"]) for row in gate] == [(1, 2), (2, 2)]
    ledger = AlphaLedger.read(town.log)
    assert len(ledger.marks[gate[0]["set"]].questions) == 6
    town.write_job(title="Another title")
    assert use(town) == 2
    assert town.log.verify().ok


def test_the_marks_say_nothing_and_a_lost_key_counts_as_shared(town: Town) -> None:
    town.hire()
    published = b"".join(read_entries(town.home.log, town.log.size()))
    key = town.log.salt("exam marks")
    assert key is not None and key not in published
    for path in (town.home.private / "salts").iterdir():
        if path.read_bytes() == key:
            path.unlink()
    assert len(report(town)["uses"]) == 1  # type: ignore[arg-type]
    town.write_exam([unanswerable(number) for number in range(100, 115)])
    assert use(town) == 2
    assert town.log.verify().ok


def test_a_report_of_a_home_that_is_not_there_makes_nothing(town: Town, tmp_path: Path) -> None:
    from staffroom.store import Home

    found = alpha_report(Home(tmp_path / "nowhere"), town.folder / "exam")
    assert found["uses"] == [] and found["next"]["use"] == 1 and found["open"]
    assert found["left"] == pytest.approx(0.05)
    assert not (tmp_path / "nowhere").exists()


def test_items_that_came_from_the_screen_are_named(town: Town) -> None:
    town.hire()
    screen = {item.id for item in load_pack(town.folder / "exam").items_of(Split.SCREEN)}
    for salt in range(30):
        town.write_exam(
            [unanswerable(number) for number in range(15)],
            EXAM.replace('seed: "lowwater"', f'seed: "{salt}"'),
        )
        if screen & set(gate_of(town)):
            break
    assert set(report(town)["seen_on_screen"]) == screen & set(gate_of(town))  # type: ignore[arg-type]


# --- the rule itself, against another way to compute it ---

_SETS = st.lists(
    st.tuples(st.frozensets(st.integers(0, 9), max_size=3), st.frozensets(st.integers(0, 9), max_size=3)),
    min_size=1,
    max_size=7,
)


def marks(questions: Iterable[int], sources: Iterable[int], key: str = "k") -> ItemMarks:
    return ItemMarks(
        key,
        frozenset(bytes([number]) for number in questions),
        frozenset(bytes([number]) for number in sources),
    )


@settings(max_examples=120, deadline=None)
@given(_SETS)
def test_related_gates_are_the_connected_ones_and_alpha_stays_within_the_lifetime(
    sets: list[tuple[frozenset[int], frozenset[int]]],
) -> None:
    known = {f"s{number}": marks(*one) for number, one in enumerate(sets)}
    uses: list[GateUse] = []
    for number, name in enumerate(known):
        ledger = AlphaLedger(tuple(uses), {n: known[n] for n in list(known)[:number]}, (), frozenset())
        related = ledger.related(ItemSet(name, known[name]))
        # The other way: merge the labels of what shares a mark until nothing changes.
        label = {n: n for n in list(known)[: number + 1]}
        for _ in label:
            for one in label:
                for other in label:
                    if (
                        known[one].questions & known[other].questions
                        or known[one].sources & known[other].sources
                    ):
                        label[one] = label[other] = min(label[one], label[other])
        assert {row.items for row in related} == {n for n in label if n != name and label[n] == label[name]}
        spent = len(related) + 1
        uses.append(GateUse(number, "", f"r{number}", name, spent, alpha_for_use(spent), True))
    # No question and no source is ever asked at more than the lifetime in sum.
    for kind in ("questions", "sources"):
        for value in range(10):
            held = [row.alpha for row in uses if bytes([value]) in getattr(known[row.items], kind)]
            assert sum(held) <= 0.05


def test_closed_items_are_found_by_question_not_by_source() -> None:
    shut = Closed(Why.UNSEALED, "old", 3, "2026-01-01", "sha256:0")
    ledger = AlphaLedger((), {"old": marks({1, 2}, {7})}, (shut,), frozenset())
    assert ledger.closings_of(ItemSet("new", marks({2}, set()))) == (shut,)
    assert ledger.closings_of(ItemSet("new", marks({3}, {7}))) == ()
    assert ledger.closings_of(ItemSet("new", marks({3}, set(), key="another"))) == (shut,)


def test_the_verifier_says_which_entry_was_charged_too_little(town: Town) -> None:
    for number in range(2):
        town.write_job(title=f"Title {number}")
        town.hire()
    data = list(read_entries(town.home.log, town.log.size()))
    assert check_exams(data) == []
    index = types_last(town, "gate-opened")
    entry = json.loads(data[index])
    entry["body"] |= {"use": 1, "alpha": alpha_for_use(1)}
    data[index] = json.dumps(entry).encode()
    assert f"entry {index}: it is charged as use 1, but is use 2" in "\n".join(
        f"entry {found.entry}: {found.what}" for found in check_exams(data)
    )
