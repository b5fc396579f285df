"""Planted manipulations of a later gate's entries: each is found, by the verifiers alone, from the entries alone."""

import copy
import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from hire_world import Town

from staffroom.ledger import check_decisions, check_exams, check_paired
from staffroom.records.digests import canonical_json, digest_value

Entries = list[dict[str, Any]]
Plant = Callable[[Entries], None]


def found(entries: Entries) -> list[str]:
    data = [canonical_json(entry) for entry in entries]
    checks = (check_exams, check_decisions, check_paired)
    return [one.what for check in checks for one in check(data)]


def last(entries: Entries, kind: str, test: str = "") -> dict[str, Any]:
    rows = [entry["body"] for entry in entries if entry["type"] == kind]
    return next(row for row in reversed(rows) if not test or row.get("test") == test)


def task(entries: Entries) -> dict[str, Any]:
    return dict_of(last(entries, "decision")["paired"]["tests"], "task")


def dict_of(rows: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(row for row in rows if row["name"] == name)


def plan(entries: Entries) -> dict[str, Any]:
    return last(entries, "exam-committed")["plan"]  # type: ignore[no-any-return]


def values(entries: Entries) -> list[list[Any]]:
    return last(entries, "paired-values", "task")["rows"]  # type: ignore[no-any-return]


def drop(kind: str) -> Plant:
    def plant(entries: Entries) -> None:
        place = max(index for index, entry in enumerate(entries) if entry["type"] == kind)
        del entries[place]

    return plant


def move_to_end(kind: str) -> Plant:
    def plant(entries: Entries) -> None:
        place = max(index for index, entry in enumerate(entries) if entry["type"] == kind)
        entries.append(entries.pop(place))

    return plant


def set_in(where: Callable[[Entries], dict[str, Any]], **change: Any) -> Plant:
    return lambda entries: where(entries).update(change)


def better_values(entries: Entries) -> None:
    """Turn the ties into gains, and let the figures say so."""
    for row in values(entries):
        row[1:] = [1.0, 1.0]


def drop_a_loss(entries: Entries) -> None:
    del values(entries)[0]


def same_source_twice(entries: Entries) -> None:
    rows = values(entries)
    rows[0] = list(rows[1])


def invented_source(entries: Entries) -> None:
    values(entries)[0][0] = "ab" * 8


def other_release(entries: Entries) -> None:
    """Compare with an agent that was never in service."""
    plan(entries)["incumbent"] = last(entries, "incumbent-evaluation")["agent"] = digest_value(
        {"name": "weak"}
    )
    last(entries, "decision")["paired"]["incumbent"] = plan(entries)["incumbent"]


def replacement_declared_afterwards(entries: Entries) -> None:
    task(entries).update(form="non-inferior", border=0.05)


def replacement_of_nobody(entries: Entries) -> None:
    plan(entries)["replacing"] = [digest_value("somebody else")]


def ungated_test(entries: Entries) -> None:
    plan(entries)["tests"][0]["gated"] = False
    task(entries)["gated"] = False


def lighter_border(entries: Entries) -> None:
    plan(entries)["tests"][0]["border"] = 0.01
    task(entries)["border"] = 0.01


def other_seed(entries: Entries) -> None:
    last(entries, "incumbent-evaluation")["seed"] += 1


@pytest.mark.parametrize(
    ("plant", "words"),
    [
        (better_values, "`mean_low` is"),
        (drop_a_loss, "values stand in the log"),
        (same_source_twice, "a source stands in its values twice"),
        (invented_source, "a source that none of the marked items has"),
        (other_release, "not the agent of a release in this log"),
        (replacement_declared_afterwards, "it asks otherwise than was planned"),
        (replacement_of_nobody, "a declared replacement is none of the agents"),
        (ungated_test, "can decide it, but it is not gated"),
        (lighter_border, "the task is planned otherwise"),
        (other_seed, "did not sit the same exam (`seed`)"),
        (drop("incumbent-evaluation"), "the incumbent was not evaluated before the decision"),
        (move_to_end("incumbent-evaluation"), "evaluated after the decision"),
        (drop("paired-values"), "values"),
        (move_to_end("paired-values"), "values"),
        (set_in(task, p_value=1e-9), "`p_value` is"),
        (set_in(task, mean_low=0.9), "`mean_low` is"),
        (set_in(task, decided_at=1), "decided it, not 1"),
        (set_in(task, verdict="rejected"), "its values say promoted"),
        (set_in(lambda e: last(e, "decision"), alpha=0.05), "but 0.0075"),
        (set_in(lambda e: last(e, "decision"), verdict="rejected"), "its tests say promoted"),
        (lambda e: last(e, "decision").pop("paired"), "decides against an incumbent if, and only if"),
        (lambda e: last(e, "decision")["paired"]["tests"].clear(), "not those that were planned"),
        (
            lambda e: last(e, "exam-committed")["later"].update(choice={"role": "guard", "margin": 0.05}),
            "guarded",
        ),
        (set_in(plan, incumbent="sha256:0"), "not the agent of a release"),
        (set_in(lambda e: last(e, "gate-opened"), use=1), "charged as use 1"),
        (lambda e: last(e, "evaluation")["facets"][0].update(score=0.25), "are not those of the evaluation"),
    ],
)
def test_each_manipulation_is_found(improved: Town, plant: Plant, words: str) -> None:
    entries = [copy.deepcopy(item.entry) for item in improved.log.entries()]
    assert found(entries) == []
    plant(entries)
    assert any(words in what for what in found(entries)), found(entries)


def test_a_candidate_that_stands_against_an_older_release_is_found(improved: Town) -> None:
    """The incumbent is what the alias pointed to; another release would be an easier match."""
    entries = [copy.deepcopy(item.entry) for item in improved.log.entries()]
    place = max(index for index, entry in enumerate(entries) if entry["type"] == "exam-committed")
    moved = {"alias": "counter", "to": "sha256:elsewhere", "from": ""}
    entries.insert(place, {"type": "alias-moved", "key": "k", "at": "", "run": "", "body": moved})
    assert any("is not what `counter` pointed to" in what for what in found(entries))


def test_the_order_of_the_values_follows_from_the_seed(improved: Town) -> None:
    """Values are logged by mark; whoever takes them in another order than the seed's gets another source that decided."""
    entries = [copy.deepcopy(item.entry) for item in improved.log.entries()]
    seed, rows = last(entries, "evaluation")["seed"], values(entries)
    assert [row[0] for row in rows] == sorted(row[0] for row in rows)
    ordered = sorted(rows, key=lambda row: hashlib.sha256(f"{seed}|{row[0]}".encode()).hexdigest())
    assert ordered != rows and len({row[0] for row in rows}) == task(entries)["clusters"]
