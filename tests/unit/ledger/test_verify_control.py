"""What the standalone verifier says of drills and incidents."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.ledger import check_control, verify_control

DRILL = {
    "streams": 8,
    "under_way": 8,
    "told": 8,
    "last_token_ms": 40.5,
    "goal_ms": 250.0,
    "refused": True,
    "kept_refused": True,
    "passed": True,
}
AWARE, DUE = "2026-12-01T08:00:00.000000Z", "2026-12-03T08:00:00.000000Z"
CLOCK = {"class": "eu-critical", "hours": 48, "due": DUE}


def entry(kind: str, **body: Any) -> bytes:
    return json.dumps({"type": kind, "body": body}).encode()


def story() -> list[bytes]:
    return [
        entry("stop-drill", **DRILL),
        entry("incident-opened", incident="i1", number=1, aware=AWARE),
        entry("incident-classified", incident="i1", number=2, clocks=[CLOCK]),
        entry("incident-opened", incident="i2", number=1, aware=AWARE),
        entry("incident-evidence", incident="i1", number=3, report="eu-critical"),
        entry("incident-classified", incident="i2", number=2, clocks=[{"class": "own", "hours": None}]),
        entry("incident-closed", incident="i1", number=4),
    ]


def found(entries: list[bytes]) -> list[str]:
    return [finding.what for finding in check_control(entries)]


def test_a_true_story_is_good() -> None:
    assert found(story()) == []
    assert found([b"\xff", b"[]", b'{"type": 7}', entry("release", a=1)]) == []


@pytest.mark.parametrize(
    "change",
    [
        {"last_token_ms": 250.5},
        {"under_way": 0, "told": 0},
        {"told": 7},
        {"told": 9},
        {"refused": False},
        {"kept_refused": None},
        {"passed": False},
        {"passed": "yes"},
        {"last_token_ms": "soon"},
        {"streams": 1},
    ],
)
def test_a_drill_says_what_its_figures_say(change: dict[str, Any]) -> None:
    assert found([entry("stop-drill", **{**DRILL, **change})])


def test_a_drill_that_was_not_passed_may_say_so() -> None:
    assert not found([entry("stop-drill", **{**DRILL, "last_token_ms": 900.0, "passed": False})])


@pytest.mark.parametrize(
    ("place", "kind", "body", "what"),
    [
        (2, "incident-classified", {"incident": "i9", "number": 2, "clocks": []}, "not opened before"),
        (2, "incident-classified", {"incident": "i1", "number": 3, "clocks": []}, "event 3 follows event 1"),
        (2, "incident-opened", {"incident": "i1", "number": 1, "aware": AWARE}, "opened before"),
        (2, "incident-opened", {"incident": "i3", "number": 2, "aware": AWARE}, "begins with event 2"),
        (2, "incident-opened", {"incident": "i3", "number": 1, "aware": "today"}, "no time"),
        (
            2,
            "incident-classified",
            {"incident": "i1", "number": 2, "clocks": [{**CLOCK, "hours": 72}]},
            "not 72 hours after",
        ),
        (2, "incident-classified", {"incident": "i1", "number": 2, "clocks": [CLOCK, CLOCK]}, "twice"),
        (
            2,
            "incident-classified",
            {"incident": "i1", "number": 2, "clocks": [{**CLOCK, "hours": -1}]},
            "are no clock",
        ),
        (2, "incident-classified", {"incident": "i1", "number": 2, "clocks": "x"}, "no list"),
        (3, "incident-evidence", {"incident": "i1", "number": 3, "report": "eu-death"}, "not set"),
        (7, "incident-evidence", {"incident": "i1", "number": 5, "report": None}, "closed before"),
    ],
)
def test_a_breach_is_named(place: int, kind: str, body: dict[str, Any], what: str) -> None:
    entries = story()
    entries.insert(place, entry(kind, **body))
    assert any(what in each for each in found(entries)), found(entries)


def test_awareness_that_was_corrected_moves_the_clock() -> None:
    entries = story()
    later = {**CLOCK, "due": "2026-12-04T08:00:00.000000Z"}
    entries[2] = entry(
        "incident-classified", incident="i1", number=2, aware="2026-12-02T08:00:00.000000Z", clocks=[later]
    )
    assert found(entries) == []


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["stop-drill", "incident-opened", "incident-classified", "incident-evidence"]),
    st.dictionaries(st.sampled_from([*DRILL, "incident", "number", "aware", "clocks", "report"]), VALUES),
)
def test_it_never_raises(kind: str, body: dict[str, Any]) -> None:
    found([*story(), json.dumps({"type": kind, "body": body}).encode()])


def test_it_runs_alone(tmp_path: Path) -> None:
    script = tmp_path / "verify_control.py"
    script.write_text(Path(verify_control.__file__).read_text())
    folder = tmp_path / "log" / "tile" / "entries"
    folder.mkdir(parents=True)
    entries = story()
    (folder.parent.parent / "checkpoint").write_text(f"origin\n{len(entries)}\nroot\n")
    (folder / "000.p").mkdir()
    bundle = b"".join(len(each).to_bytes(2, "big") + each for each in entries)
    (folder / "000.p" / str(len(entries))).write_bytes(bundle)
    command = [sys.executable, "-I", "-S", str(script), str(tmp_path / "log")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.startswith("ok: ")) == (0, True), done
    (folder / "000.p" / str(len(entries))).write_bytes(bundle.replace(b'"told": 8', b'"told": 3'))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "entry 0" in done.stdout
