"""The verifier of the exams' rules: a log that keeps them passes, each breach is named by its entry, nothing makes it raise."""

import base64
import copy
import hashlib
import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import ORIGIN, QuickDisk

from staffroom.ledger import (
    Log,
    LogKeys,
    check_decisions,
    check_exams,
    check_paired,
    read_entries,
    verify_decisions,
    verify_exams,
    verify_paired,
)
from staffroom.ledger.merkle import leaf_hash, root_of
from staffroom.records.digests import digest_value
from staffroom.stats import upper_bound

Entries = list[dict[str, Any]]

SPEC = {"name": "w", "base": "sha256:0", "locale": "zh-TW", "candidate": "大"}
AGENT = digest_value(SPEC)


def alpha(use: int, lifetime: float = 0.05) -> float:
    return lifetime * 6 / (math.pi**2 * use**2)


def tail(right: int, tested: int, threshold: float) -> float:
    return sum(
        math.comb(tested, k) * threshold**k * (1 - threshold) ** (tested - k)
        for k in range(right, tested + 1)
    )


def entry(kind: str, run: str, body: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "key": f"{run}:{kind}", "at": "2026-03-01T08:00:00Z", "run": run, "body": body}


def marked(
    name: str, numbers: range, sources: str = "", key: str = "k", part: int = 1, parts: int = 1
) -> dict[str, Any]:
    questions = b"".join(number.to_bytes(8, "big") for number in numbers)
    body = {"set": name, "key": key, "part": part, "parts": parts}
    body |= {"questions": base64.b64encode(questions).decode()}
    body |= {"sources": base64.b64encode(sources.encode().ljust(-(-len(sources) // 8) * 8)).decode()}
    return entry("items-marked", name, body)


def seed_of(entries: Entries, index: int) -> int:
    root = root_of([leaf_hash(as_bytes(one)) for one in entries[: index + 1]]).hex()
    return int.from_bytes(hashlib.sha256(f"staffroom seed {root}".encode()).digest()[:6], "big")


def as_bytes(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(value: dict[str, Any]) -> str:
    return "sha256:" + hashlib.sha256(as_bytes(value)).hexdigest()


def add_run(
    entries: Entries, run: str, use: int, split: str = "g", screen: str = "s", right: int = 9
) -> None:
    """Append what a run writes that gets `right` of 10 at a threshold of 0.5."""
    rule = {"facet": "f", "threshold": 0.5, "gated": True, "method": "exact", "clusters": 10, "least": 8}
    plan = {"alpha": alpha(use), "facets": [rule]}
    splits = {"screen": {"digest": screen}, "gate": {"digest": split}, "sealed": {"commitment": "c"}}
    commit = {"pack": "p", "splits": splits, "alpha": 0.05, "plan": plan, "use": use, "gate_split": split}
    commit["facets"] = {"f": {"threshold": 0.5, "gated": True, "method": "exact"}}
    entries.append(entry("exam-committed", run, {**commit, "agents": {"small": "a1", "large": AGENT}}))
    seed = seed_of(entries, len(entries) - 1)
    said = {"facet": "f", "n": 10, "score": right / 10, "low": 0.3, "high": 1.0}
    evaluation = {"agent": AGENT, "pack": "p", "split": "gate", "evaluation": "e", "facets": [said]}
    entries.append(entry("race", run, {"winner": "large"}))
    entries.append(
        entry("gate-opened", run, {"gate_split": split, "use": use, "alpha": alpha(use), "agent": AGENT})
    )
    entries.append(entry("evaluation", run, {**evaluation, "seed": seed}))
    p_value = tail(right, 10, 0.5)
    word = "promoted" if p_value <= alpha(use) else "undecided"
    facet = {
        **said,
        "threshold": 0.5,
        "gated": True,
        "verdict": word,
        "tested": 10,
        "passed": float(right),
    }
    facet |= {"p_value": p_value, "upper": upper_bound(right, 10, alpha(use))}
    decision = {"verdict": word, "agent": AGENT, "pack": "p", "alpha": alpha(use), "facets": [facet]}
    entries.append(entry("decision", run, decision))
    if word == "promoted":
        manifest = {"agent": SPEC, "evaluation": "e", "decision": digest_of(decision)}
        entries.append(entry("release", run, {"release": digest_of(manifest), "manifest": manifest}))


def good() -> Entries:
    """Two runs on one gate, a third on a gate that shares a source, an own one; then retired and unsealed."""
    entries = [marked("g", range(20), "page 1"), marked("s", range(50, 60))]
    add_run(entries, "one", 1)
    add_run(entries, "two", 2, right=10)
    entries.append(marked("h", range(100, 120), "page 1"))
    add_run(entries, "three", 3, split="h")
    entries += [marked("i", range(200, 210), part=2, parts=2), marked("i", range(210, 220), part=1, parts=2)]
    add_run(entries, "four", 1, split="i")
    entries.append(entry("gate-retired", "retire", {"gate_split": "h", "by": "b"}))
    add_run(entries, "five", 4)
    entries.append(marked("c", range(300, 310)))
    opened = {"commitment": "c", "committed_in": 2, "agent": AGENT, "pack": "p", "by": "b"}
    entries.append(entry("sealed-opened", "unseal", opened))
    seed = seed_of(entries, len(entries) - 1)
    entries.append(entry("sealed-evaluation", "unseal", {"commitment": "c", "agent": AGENT, "seed": seed}))
    entries.append(entry("note", "x", {"anything": 1}))
    return entries


def found(entries: Entries) -> list[str]:
    data = [as_bytes(value) for value in entries]
    rows = [(one.entry, one.what) for one in check_exams(data)]
    rows += [(one.entry, one.what) for one in check_decisions(data)]
    rows += [(one.entry, one.what) for one in check_paired(data)]
    return [f"{index} {what}" for index, what in sorted(rows)]


def place(entries: Entries, kind: str, run: str) -> int:
    return next(i for i, one in enumerate(entries) if (one["type"], one["run"]) == (kind, run))


def test_a_log_that_keeps_the_rules() -> None:
    assert found(good()) == []
    assert found([]) == []


@pytest.mark.parametrize(
    ("kind", "run", "change", "words"),
    [
        ("gate-opened", "two", {"use": 1, "alpha": alpha(1)}, "it is charged as use 1, but is use 2"),
        ("gate-opened", "three", {"use": 1, "alpha": alpha(1)}, "it is charged as use 1, but is use 3"),
        ("gate-opened", "four", {"use": 2}, "it is charged as use 2, but is use 1"),
        ("gate-opened", "two", {"alpha": alpha(1)}, "is not that of use 2"),
        ("gate-opened", "two", {"agent": "a3"}, "none of those that the run committed to"),
        ("gate-opened", "two", {"gate_split": "i"}, "`gate_split` is not what the run committed to"),
        ("gate-opened", "two", {"gate_split": "unmarked"}, "are not marked"),
        ("gate-opened", "two", {"use": True}, "`use` is no count from 1"),
        ("gate-opened", "two", {"alpha": "much"}, "`alpha` is no number"),
        ("exam-committed", "one", {"alpha": 0.2}, "a lifetime alpha of 0.2"),
        ("exam-committed", "two", {"use": 1}, "the planned alpha is not that of use 1"),
        ("gate-opened", "two", {"agent": "a1"}, "not the winner of the race"),
        ("exam-committed", "two", {"facets": {"g": {}}}, "facet g is not both in"),
        (
            "exam-committed",
            "two",
            {"facets": {"f": {"threshold": 0.4, "method": "exact"}}},
            "`threshold` is not",
        ),
        ("release", "one", {"manifest": {"agent": SPEC, "evaluation": "d"}}, "it names another evaluation"),
        ("release", "one", {"manifest": {"agent": {}, "evaluation": "e"}}, "another agent was released"),
        ("release", "one", {"release": "r"}, "its name is not the digest"),
        (
            "exam-committed",
            "two",
            {"splits": {"screen": {"digest": "t"}, "gate": {"digest": "g"}, "sealed": {}}},
            "not marked",
        ),
        (
            "exam-committed",
            "two",
            {"splits": {"screen": {"digest": "s"}, "gate": {"digest": "h"}, "sealed": {}}},
            "another gate",
        ),
        ("evaluation", "one", {"split": "screen"}, "no evaluation of a gate"),
        ("evaluation", "one", {"agent": "a1"}, "another agent was evaluated"),
        ("evaluation", "one", {"seed": 7}, "the seed does not follow"),
        ("decision", "two", {"alpha": 0.05}, "but 0.0075"),
        ("decision", "two", {"agent": "a1"}, "it decides on another agent"),
        ("decision", "two", {"pack": "q"}, "it decides on another pack than the run"),
        ("decision", "two", {"pack": "q"}, "it decides on another pack than was evaluated"),
        ("decision", "one", {"verdict": "undecided"}, "its facets say promoted, it says undecided"),
        ("decision", "one", {"facets": []}, "facets that were to be gated are not: f"),
        ("decision", "one", {"facets": 3}, "no list of rows"),
        ("sealed-opened", "unseal", {"committed_in": 3}, "entry 3 does not commit to this sealed split"),
        ("sealed-opened", "unseal", {"committed_in": None}, "does not commit"),
        ("sealed-evaluation", "unseal", {"agent": "a1"}, "another agent was examined"),
        ("sealed-evaluation", "unseal", {"seed": 1}, "the seed does not follow"),
        ("sealed-evaluation", "unseal", {"commitment": "d"}, "was not opened for it"),
    ],
)
def test_each_breach_is_named_by_its_entry(kind: str, run: str, change: dict[str, Any], words: str) -> None:
    entries = good()
    index = place(entries, kind, run)
    entries[index]["body"] |= change
    assert any(text.startswith(f"{index} ") and words in text for text in found(entries)), found(entries)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"p_value": 0.001}, "the p-value is 0.0107422, not 0.001"),
        ({"p_value": 0.2}, "its figures do not say promoted"),
        ({"passed": 6.0}, "the p-value is 0.376953"),
        ({"passed": 9.5}, "no result of an exact test"),
        ({"tested": 9}, "9 clusters were tested, not the 10 planned"),
        ({"threshold": 0.3}, "`threshold` is not what was committed to"),
        ({"gated": False}, "`gated` is not what was committed to"),
        ({"verdict": "rejected"}, "its figures do not say rejected"),
        ({"facet": "g"}, "facet g was not planned"),
        ({"upper": 0.4}, "0.4 is no upper bound of 9 of 10"),
        ({"p_value": -1.0}, "its figures do not say promoted"),
        ({"n": 11}, "not those of the evaluation"),
    ],
)
def test_a_decision_must_follow_from_its_own_figures(change: dict[str, Any], words: str) -> None:
    entries = good()
    index = place(entries, "decision", "one")
    entries[index]["body"]["facets"][0] |= change
    assert any(text.startswith(f"{index} ") and words in text for text in found(entries)), found(entries)


def test_order_is_checked() -> None:
    for kind, run, words in (
        ("exam-committed", "five", "had not committed"),
        ("gate-opened", "five", "a gate that was not opened"),
        ("evaluation", "five", "without an opened gate and an evaluation"),
        ("race", "one", "this run held no race"),
        ("decision", "one", "a release without a promotion"),
        ("items-marked", "c", "are not marked"),
    ):
        entries = good()
        del entries[place(entries, kind, run)]
        assert any(words in text for text in found(entries)), (kind, found(entries))
    entries = good()
    entries.append(entries[place(entries, "gate-opened", "one")])
    assert found(entries)[-1].endswith("opened its gate before, in entry 4")
    entries.append(entries[place(entries, "exam-committed", "one")])
    assert found(entries)[-1].endswith("committed before, in entry 2")


@pytest.mark.parametrize(
    ("kind", "words"),
    [("evaluation", "evaluated before, in entry 5"), ("decision", "decided before, in entry 6")],
)
def test_a_run_has_one_evaluation_and_one_decision(kind: str, words: str) -> None:
    """Alpha is charged once, so whoever asks or decides again until it fits has spent what was never charged."""
    entries = good()
    again = copy.deepcopy(entries[place(entries, kind, "one")])
    entries.append({**again, "key": "another"})
    assert [text.split(" ", 1)[0] for text in found(entries)] == [str(len(entries) - 1)]
    assert words in found(entries)[0]


def test_a_run_that_was_open_when_its_questions_were_closed_decides_nothing() -> None:
    entries = good()
    add_run(entries, "six", 5)
    evaluation = place(entries, "evaluation", "six")
    for where, count in ((evaluation, 1), (evaluation + 1, 1), (len(entries), 0)):
        late = [*entries]
        late.insert(where, entry("gate-retired", "late", {"gate_split": "g", "by": "b"}))
        assert sum("closed for good" in text for text in found(late)) == count


def test_a_plan_gates_what_its_pack_gates_and_its_clusters_can_decide() -> None:
    for clusters, gated, words in ((10, False, "10 clusters can decide"), (5, False, ""), (10, True, "")):
        entries = good()[:2]
        add_run(entries, "one", 1)
        row = entries[place(entries, "exam-committed", "one")]["body"]["plan"]["facets"][0]
        row |= {"gated": gated, "clusters": clusters}
        planned = [text for text in found(entries) if text.startswith("2 ")]
        assert bool(planned) == bool(words) and words in "".join(planned)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 300), st.integers(0, 300), st.integers(0, 300), st.integers(1, 200))
def test_upper_bounds_are_those_of_the_tests(tested: int, right: int, missing: int, use: int) -> None:
    right = min(right, tested)
    seen = min(tested, right + missing)
    bound = upper_bound(seen, tested, alpha(use))
    assert verify_decisions._is_upper(bound, right, tested, alpha(use))
    assert not verify_decisions._is_upper(bound * 0.999, right, tested, alpha(use))


def test_what_was_closed_is_not_asked_again() -> None:
    entries = good()
    add_run(entries, "six", 5, split="h")
    retired = place(entries, "gate-retired", "retire")
    assert found(entries) == [
        f"{len(entries) - 4 + 1} it asks questions that entry {retired} closed for good"
    ]
    entries = good()
    entries.append(marked("j", range(305, 306)))
    add_run(entries, "six", 1, split="j")
    unsealed = place(entries, "sealed-opened", "unseal")
    assert [text.split(" ", 1)[1] for text in found(entries)] == [
        f"it asks questions that entry {unsealed} closed for good"
    ]


def test_a_sealed_split_opens_once_and_was_never_asked() -> None:
    for numbers, words in (
        (range(309, 311), "were unsealed before"),
        (range(19, 20), "asked before"),
        (range(59, 70), "asked before"),
        (range(400, 410), ""),
    ):
        entries = good()
        entries.append(entry("sealed-committed", "u", {"pack": "q", "sealed": {"commitment": "d"}}))
        entries.append(marked("d", numbers))
        opened = {"commitment": "d", "committed_in": len(entries) - 2, "agent": AGENT, "by": "b"}
        entries.append(entry("sealed-opened", "u", opened))
        assert bool(found(entries)) == bool(words)
        assert words in "".join(found(entries))


def test_marks_of_another_key_or_twice_do_not_pass() -> None:
    entries = good()
    entries.append(marked("k", range(900, 901), key="another"))
    add_run(entries, "six", 1, split="k")
    # Shares with all six sets, as nobody can tell; the closed ones included.
    texts = found(entries)
    assert "it is charged as use 1, but is use 6" in "".join(texts) and "closed for good" in "".join(texts)
    for part, parts in ((1, 1), (3, 2), (1, 2)):
        entries = [marked("g", range(4), part=1, parts=2), marked("g", range(9), part=part, parts=parts)]
        assert "do not go with those" in found(entries)[0]
    entries = [marked("g", range(4), part=1, parts=2)]
    add_run(entries, "one", 1)
    assert "are not marked" in found(entries)[0]


def test_a_log_without_marks_goes_by_the_digest_of_the_split() -> None:
    entries: Entries = []
    add_run(entries, "one", 1)
    add_run(entries, "two", 2, right=10)
    add_run(entries, "other", 1, split="h")
    assert found(entries) == []
    add_run(entries, "three", 2)
    assert any("it is charged as use 2, but is use 3" in text for text in found(entries))


def test_what_is_kept_outside_the_log_is_not_taken_for_checked() -> None:
    entries = good()
    commit, opened = place(entries, "exam-committed", "five"), place(entries, "gate-opened", "five")
    entries[commit]["body"] = {"kept_as": "sha256:0", "bytes": 70_000}
    entries[place(entries, "evaluation", "five")]["body"]["seed"] = seed_of(entries, commit)
    rest = [text for text in found(entries) if not text.startswith(f"{len(entries) - 2} ")]
    assert rest == [], "a long commitment was always kept as an artifact"
    entries[opened]["body"] = {"kept_as": "sha256:0", "bytes": 70_000}
    assert any("outside the log" in text for text in found(entries))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nothing_that_entries_hold_makes_it_raise(data: st.DataObject) -> None:
    entries = good()
    one: Any = copy.deepcopy(data.draw(st.sampled_from(entries)))
    at = entries.index(one)
    body = one["body"]
    rows = body.get("facets", [])
    inner = [*(rows.values() if isinstance(rows, dict) else rows), *body.get("plan", {}).get("facets", [])]
    inner += [body[key] for key in ("facets", "plan", "splits", "agents", "manifest") if key in body]
    holders = [holder for holder in (one, body, *inner) if isinstance(holder, dict)]
    holder = data.draw(st.sampled_from(holders))
    name = data.draw(st.sampled_from(sorted(holder)))
    if data.draw(st.booleans()):
        holder[name] = data.draw(JSON)
    else:
        del holder[name]
    entries[at] = one
    found(entries)
    found(entries[at:])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=6))
def test_bytes_that_are_no_entries_are_not_judged(entries: list[bytes]) -> None:
    for check in (check_exams, check_decisions, check_paired):
        assert check([*entries, b"[1]", b"NaN", b'{"type": 3}', b"[" * 5000]) == []


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 400), st.integers(0, 400), st.floats(0.05, 0.95))
def test_p_values_are_those_of_the_tests(tested: int, right: int, threshold: float) -> None:
    from staffroom.stats import upper_tail_p_value

    right = min(right, tested)
    expected = upper_tail_p_value(right, tested, threshold)
    assert verify_decisions._tail(right, tested, threshold) == pytest.approx(expected, rel=1e-8, abs=1e-290)


def write_log(base: Path, keys: LogKeys, entries: list[bytes]) -> Path:
    with Log.open(
        base / "log",
        keys.signers,
        ORIGIN,
        last_signed=base / "keys" / "last-signed",
        key_of=lambda _: None,
        wait_seconds=0.0,
        disk=QuickDisk(),
    ) as log:
        log.append(entries)
    return base / "log"


def test_it_runs_alone(tmp_path: Path, keys: LogKeys) -> None:
    entries = [as_bytes(value) for value in good()]
    many = [as_bytes(entry("note", "n", {"number": number})) for number in range(300)]
    for module in (verify_exams, verify_decisions, verify_paired):
        shutil.copy(str(module.__file__), tmp_path)

    def run(folder: Path, name: str = "verify_exams.py") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", str(tmp_path / name), str(folder)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    folder = write_log(tmp_path, keys, [*entries, *many])
    assert verify_exams.read_entries(folder) == list(read_entries(folder, len(entries) + 300))
    good_run = run(folder)
    assert (good_run.returncode, good_run.stderr) == (0, "")
    assert good_run.stdout == f"ok: {len(entries) + 300} entries keep the rules of their exams\n"
    for name in ("verify_decisions.py", "verify_paired.py"):
        assert (run(folder, name).returncode, run(folder, name).stderr) == (0, "")
    bad = good()
    bad[place(bad, "gate-opened", "two")]["body"]["alpha"] = 0.05
    bad_run = run(write_log(tmp_path / "bad", keys, [as_bytes(value) for value in bad]))
    assert (
        bad_run.returncode == 1 and f"entry {place(bad, 'gate-opened', 'two')}: alpha 0.05" in bad_run.stdout
    )
    assert run(tmp_path / "nothing").returncode == 2
    next((folder / "tile" / "entries").rglob("000")).write_bytes(b"\x00\x05ab")
    assert run(folder).returncode == 2
