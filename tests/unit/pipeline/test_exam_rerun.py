"""Asking an evaluation again: the same engine, another one, a changed answer, and what stays hidden."""

import asyncio
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from counting_embedder import CountingEmbedder
from hire_world import EXAM, SIGNER, Quiet, Town, short, unanswerable
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.engine import FakeEngine
from staffroom.engine.protocols import NextToken, Prompt
from staffroom.evaluate import load_pack
from staffroom.pipeline import exam_rerun, examination, service
from staffroom.pipeline.alpha import retire_gate
from staffroom.pipeline.assemble import Assembly
from staffroom.pipeline.exam_rerun import draw_sample, rejudge_exam, rerun_exam
from staffroom.pipeline.exams import sit_exam
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.exam import Item, Kind, Split
from staffroom.store import Database, Home

CHOICES = EXAM.replace("{short: 1, unanswerable: 1}", "{choice: 1, unanswerable: 1}").replace(
    "  unanswerable:", "  choice: {gated: false}\n  unanswerable:"
)
CHOICES = "\n".join(line for line in CHOICES.splitlines() if not line.strip().startswith("short:")) + "\n"


class Contrary(FakeEngine):
    """The same identity, and the opposite choices."""

    async def next_token(self, prompt: Prompt, candidates: int = 64) -> NextToken:
        seen = await super().next_token(prompt, candidates)
        shares = {mark: 1.1 - math.exp(value) for mark, value in seen.log_probabilities.items()}
        total = sum(shares.values())
        return NextToken({mark: math.log(share / total) for mark, share in shares.items()}, seen.tokens_in)


def choice(number: int) -> dict[str, Any]:
    return {
        "id": f"c{number}",
        "kind": "choice",
        "input": f"What does mooring at pier {number} cost each night?",
        "choices": ["40 crowns", "four francs", "a bottle of oil", "nothing at all"],
        "accept": ["A"],
    }


@pytest.fixture(autouse=True)
def _embedder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exam_rerun, "make_embedder", CountingEmbedder)


@pytest.fixture
def measured(hired: Town) -> Town:
    """A town whose worker has sat a pack of choices and open questions."""
    folder = hired.folder / "second"
    folder.mkdir()
    (folder / "exam.yaml").write_text(CHOICES)
    rows = [choice(number) for number in range(12)] + [unanswerable(number) for number in range(50, 56)]
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "SOURCES.md").write_text("Written for these tests.\n")

    async def run() -> None:
        async with service.open_worker(hired.home, "counter") as worker:
            await sit_exam(worker.agent, "counter", folder, hired.home, Quiet(), seed=3)

    asyncio.run(run())
    return hired


def digests(town: Town) -> dict[str, str]:
    bodies = {item.entry["type"]: item.entry["body"] for item in town.log.entries()}
    return {"hire": bodies["evaluation"]["evaluation"], **bodies.get("exam", {}).get("evaluations", {})}


def again(town: Town, name: str, **options: Any) -> dict[str, Any]:
    return asyncio.run(rerun_exam(town.home, name, Quiet(), **options))


def use(monkeypatch: pytest.MonkeyPatch, make: Callable[[Assembly], FakeEngine]) -> None:
    monkeypatch.setattr(examination, "engine_for", lambda assembly, home: make(assembly))


def rows_of(home: Home) -> list[Any]:
    with Database(home.database) as database, database.read() as connection:
        return [tuple(row) for row in connection.exec_driver_sql("SELECT * FROM responses ORDER BY 1, 2, 3")]


def test_the_same_engine_gives_the_same_choices_and_nothing_is_written(measured: Town) -> None:
    before, entries = rows_of(measured.home), measured.log.size()
    for name, digest in digests(measured).items():
        value = again(measured, digest, sample=50, seed=1)
        assert (value["ok"], value["engine"], value["differ"]) == (True, "same", []), name
        assert value["sample"] == value["same"] == value["answered"] == value["items"]
        assert value["engine_then"] == value["engine_now"]
    assert again(measured, digests(measured)["gate"], seed=1)["largest_shift_nats"] == 0.0
    assert (rows_of(measured.home), measured.log.size()) == (before, entries)


def test_a_sample_is_drawn_by_its_seed_and_the_beginning_of_a_digest_will_do(measured: Town) -> None:
    name = digests(measured)["gate"]
    value = again(measured, name.removeprefix("sha256:")[:12], sample=3)
    assert (value["evaluation"], value["sample"], value["ok"]) == (name, 3, True)
    assert 0 <= value["seed"] < 2**32
    with pytest.raises(WrongUse, match="names no evaluation"):
        again(measured, "sha256:")
    with pytest.raises(WrongUse, match="at least one item"):
        again(measured, name, sample=0)


def test_another_choice_on_the_same_engine_is_an_error_with_its_margins(
    measured: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, lambda assembly: Contrary(assembly.candidate.id, n_ctx=assembly.context))
    value = again(measured, digests(measured)["screen"], seed=1)
    assert (value["engine"], value["ok"]) == ("same", False)
    rows = value["differ"]
    assert rows and all(row["item"].startswith("c") and row["then"] != row["now"] for row in rows)
    for row in rows:
        assert row["shift_nats"] == pytest.approx(row["margin_then"] + row["margin_now"])


def test_gate_items_are_hidden_until_the_gate_is_retired(
    measured: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, lambda assembly: Contrary(assembly.candidate.id, n_ctx=assembly.context))
    value = again(measured, digests(measured)["gate"], seed=1)
    assert value["ok"] is False and not value["shown"]
    assert {frozenset(row) for row in value["differ"]} == {
        frozenset({"item", "margin_then", "margin_now", "shift_nats", "failed"})
    }
    assert all(row["item"].startswith("sha256:") for row in value["differ"])
    retire_gate(measured.home, measured.folder / "exam", SIGNER, "--yes")
    use(monkeypatch, lambda assembly: FakeEngine(assembly.candidate.id, n_ctx=assembly.context))
    assert again(measured, digests(measured)["hire"], seed=1)["shown"]


def test_on_another_engine_what_differs_is_listed_and_nothing_is_wrong(
    measured: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, lambda assembly: Contrary("another build", n_ctx=assembly.context))
    value = again(measured, digests(measured)["screen"], seed=1)
    assert (value["engine"], value["ok"]) == ("other", None)
    assert value["differ"] and value["engine_then"] != value["engine_now"]


def test_an_engine_that_fails_on_an_item_has_not_given_the_same_choice(
    measured: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Narrow(FakeEngine):
        async def next_token(self, prompt: Prompt, candidates: int = 64) -> NextToken:
            if "at pier 1" in prompt.pinned + prompt.rest:
                raise StaffroomError("it ended")
            return await super().next_token(prompt, candidates)

    name = digests(measured)["screen"]
    use(monkeypatch, lambda assembly: Narrow(assembly.candidate.id, n_ctx=assembly.context))
    shown = again(measured, name, seed=1)
    failed = [row for row in shown["differ"] if row["failed"]]
    splits = load_pack(measured.folder / "second").splits
    asked = [f"c{number}" for number in (1, 10, 11) if splits[f"c{number}"] is Split.SCREEN]
    assert sorted(row["item"] for row in failed) == asked
    assert shown["ok"] is (not asked)


def test_one_who_lost_can_be_asked_again_too(town: Town) -> None:
    town.write_exam([short(number) for number in range(20)])
    assert town.hire().json["verdict"] == "rejected"
    value = again(town, digests(town)["hire"], sample=4, seed=1)
    assert (value["ok"], value["sample"]) == (True, 4)


def test_a_dry_run_can_be_asked_again(town: Town) -> None:
    town.hire(dry_run=True)
    with Database(town.home.database) as database, database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM responses").scalar_one() > 0
    log = type(town.log)(town.home, rehearsal=True)
    name = next(i.entry["body"]["evaluation"] for i in log.entries() if i.entry["type"] == "evaluation")
    assert again(town, name, seed=1)["ok"] is True


def test_kept_answers_are_judged_again_bit_for_bit(measured: Town) -> None:
    for name in digests(measured).values():
        value = rejudge_exam(measured.home, name)
        assert value["ok"] and value["digest_now"] == name == value["evaluation"]
        assert (value["differ"], value["fields"], value["answers_changed"]) == ([], [], [])


def test_a_changed_answer_is_found(measured: Town) -> None:
    name = digests(measured)["screen"]
    pack = load_pack(measured.folder / "second")
    item = next(item for item in pack.items_of(Split.SCREEN) if item.kind is Kind.CHOICE)
    forge(measured.home, item)
    value = rejudge_exam(measured.home, name)
    assert not value["ok"] and value["answers_changed"] == [item.id]
    assert [row["item"] for row in value["differ"]] == [item.id]
    assert {"responses", "scores"} <= set(value["fields"])
    with pytest.raises(StaffroomError, match="1 kept answers are not those"):
        again(measured, name)


def forge(home: Home, item: Item) -> None:
    """Write other option probabilities into a kept answer, past the code that refuses to."""
    with Database(home.database) as database, database.write() as connection:
        connection.exec_driver_sql(
            "UPDATE responses SET json = json_set(json, '$.option_probabilities', json(?)) WHERE item_digest = ?",
            (json.dumps([0.05, 0.05, 0.1, 0.8]), item.digest),
        )


def test_a_moved_pack_is_named_and_another_one_refused(measured: Town) -> None:
    name, folder = digests(measured)["screen"], measured.folder / "second"
    moved = folder.rename(measured.folder / "moved")
    with pytest.raises(WrongUse, match="lies there no more"):
        rejudge_exam(measured.home, name)
    assert rejudge_exam(measured.home, name, pack=moved)["ok"]
    with pytest.raises(WrongUse, match="not the pack that was used"):
        rejudge_exam(measured.home, name, pack=measured.folder / "exam")


def test_other_scorers_than_those_recorded_are_refused(
    measured: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("staffroom.pipeline.exam_rerun.scorer_of", lambda item: f"{item.kind.value}/9")
    with pytest.raises(StaffroomError, match="by choice/1, here is choice/9"):
        rejudge_exam(measured.home, digests(measured)["screen"])


def test_another_agent_is_refused_and_an_empty_home_too(
    measured: Town, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("staffroom.pipeline.assemble.GUARDRAILS_VERSION", 99)
    with pytest.raises(StaffroomError, match="guardrails"):
        again(measured, digests(measured)["screen"])
    with pytest.raises(WrongUse, match="nothing was examined"):
        rejudge_exam(Home(tmp_path / "empty"), "sha256:00")


@given(st.integers(0, 40), st.integers(1, 50), st.integers(0, 2**32 - 1))
@settings(max_examples=30, deadline=None)
def test_a_sample_has_each_item_once_and_depends_on_the_seed_alone(size: int, count: int, seed: int) -> None:
    items: Sequence[Item] = [Item(str(n), "", "en", "f", Kind.SHORT, f"question {n}") for n in range(size)]
    drawn = draw_sample(items, count, seed)
    assert len({item.id for item in drawn}) == len(drawn) == min(size, count)
    assert drawn == draw_sample(list(reversed(items)), count, seed)
    assert draw_sample(items, count + 1, seed)[: len(drawn)] == drawn
