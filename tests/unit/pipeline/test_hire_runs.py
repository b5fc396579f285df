"""A hire from order to release: verdicts, second runs, forced ones, explanations, what stops it early."""

import shutil

import pytest
from hire_world import SIGNER, Town, report_of, short, sign, unanswerable

from staffroom.pipeline import workers
from staffroom.pipeline.runner import Runner
from staffroom.pipeline.signoff import SignedBy, SignOffRequest
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.serve.permit import Permits
from staffroom.store import Database, HomeBusy, Releases


def explained(town: Town) -> dict[str, tuple[str, str]]:
    found = town.hire(explain=True).json["explained"]
    return {row["step"]: (row["reason"], row["detail"]) for row in found}


def keys_of(town: Town) -> list[str]:
    return [item.entry["key"] for item in town.log.entries()]


def test_a_promotion_releases_and_a_second_run_changes_nothing(town: Town) -> None:
    first = town.hire()
    assert (first.exit_code, first.json["verdict"]) == (0, "promoted")
    assert Permits(town.home.permits).release("counter") == first.json["release"]
    before = keys_of(town)
    second = town.hire()
    assert report_of(second) == report_of(first)
    assert second.json["unchanged"] and not first.json["unchanged"]
    assert second.json["seconds"] < 10
    assert keys_of(town) == before
    assert len(set(before)) == len(before)
    assert town.log.verify().ok


def test_the_gate_opens_after_the_commitment_and_shows_no_single_item(hired: Town) -> None:
    town = hired
    town.hire()
    types = town.types
    assert types.index("exam-committed") < types.index("race") < types.index("gate-opened")
    assert types[types.index("gate-opened") :] == [
        *("gate-opened", "evaluation", "decision", "sign-off", "release", "alias-moved")
    ]
    text = "".join(str(item.entry) for item in town.log.entries())
    for item in range(15):
        assert f"'u{item}'" not in text
    assert "cat number" not in text


def test_names_and_documents_are_not_in_the_published_folder(
    hired: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = hired
    monkeypatch.setenv("LOGNAME", "osusername")
    town.hire()
    workers.suspend(town.home, "counter", by=SIGNER)
    workers.resume(town.home, "counter")
    published = b"".join(path.read_bytes() for path in sorted(town.home.log.rglob("*")) if path.is_file())
    home = str(town.folder)
    for secret in (
        SIGNER,
        "Records Office",
        "osusername",
        "harbour.md",
        "waste.txt",
        "mooring",
        "Mooring",
        home,
    ):
        assert secret.encode() not in published, secret


def test_a_commitment_to_a_name_stays_the_same_and_can_be_opened(town: Town) -> None:
    once = town.log.commitment_to("person", SIGNER)
    assert town.log.commitment_to("person", SIGNER) == once
    assert town.log.commitment_to("person", SIGNER + "!") != once
    assert town.log.commitment_to("documents", SIGNER) != once
    assert town.log.kept_salt("a") == town.log.kept_salt("a") != town.log.kept_salt("b")


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_rejected_candidate_is_not_released(town: Town, dry_run: bool) -> None:
    town.write_exam([short(number) for number in range(15)])
    result = town.hire(dry_run=dry_run)
    assert (result.exit_code, result.json["verdict"], result.json["release"]) == (1, "rejected", None)
    assert "release" not in town.types and not Permits(town.home.permits).running()


def test_too_few_items_leave_it_undecided_and_release_nothing(town: Town) -> None:
    town.write_exam([unanswerable(number) for number in range(5)])
    result = town.hire()
    assert (result.exit_code, result.json["verdict"], result.json["release"]) == (4, "undecided", None)
    assert [row["verdict"] for row in result.json["facets"]] == ["reported"]
    assert "sign-off" not in town.types


def test_a_dry_run_releases_nothing_and_charges_no_alpha_of_the_real_gate(town: Town) -> None:
    dry = town.hire(dry_run=True)
    assert dry.json["verdict"] == "promoted" and dry.json["release"] is None
    assert "sign-off" not in town.types and not Permits(town.home.permits).running()
    assert town.hire().json["alpha"] == pytest.approx(0.0304, abs=1e-4)


def test_each_use_of_a_gate_split_costs_alpha_and_a_repeated_run_keeps_its_own(town: Town) -> None:
    assert town.hire().json["alpha"] == pytest.approx(0.030396, abs=1e-6)
    town.write_job(title="Another title")
    assert town.hire().json["alpha"] == pytest.approx(0.007599, abs=1e-6)
    town.write_job()
    again = town.hire()
    assert again.json["alpha"] == pytest.approx(0.030396, abs=1e-6)
    assert again.json["unchanged"]
    town.write_exam([unanswerable(number) for number in range(100, 115)])
    assert town.hire().json["alpha"] == pytest.approx(0.030396, abs=1e-6)


def test_a_run_whose_use_was_taken_meanwhile_commits_anew(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed to at one alpha must not be decided at another."""
    run = Runner.run

    async def stops_before_the_gate(self: Runner, step: object, work: object, *arguments: object) -> object:
        if getattr(step, "name", "") == "gate":
            raise KeyboardInterrupt
        return await run(self, step, work, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Runner, "run", stops_before_the_gate)
        with pytest.raises(KeyboardInterrupt):
            town.hire()
    town.write_job(title="Another title")
    town.hire()
    town.write_job()
    late = town.hire()
    committed = [item.entry for item in town.log.entries() if item.entry["type"] == "exam-committed"]
    own = next(entry for entry in committed if entry["run"] == late.json["run"])
    opened = [item.entry for item in town.log.entries() if item.entry["type"] == "gate-opened"]
    assert own["body"]["plan"]["alpha"] == late.json["alpha"] == opened[-1]["body"]["alpha"]
    assert [entry["body"]["use"] for entry in opened] == [1, 2]
    assert opened[-1]["run"] == late.json["run"]


def test_forcing_asks_nothing_twice_and_adds_nothing_that_disagrees_with_the_log(hired: Town) -> None:
    town = hired
    first = town.hire()
    before = keys_of(town)

    def another(request: SignOffRequest) -> SignedBy:
        return SignedBy("Somebody else", "terminal")

    forced = town.hire(force=True, signing=another)
    assert report_of(forced) == report_of(first)
    assert {row["reason"] for row in forced.json["explained"]} == {"forced"}
    assert keys_of(town) == before


def test_a_refused_signature_releases_nothing_and_only_it_is_asked_again(town: Town) -> None:
    with pytest.raises(StaffroomError, match="did not sign off"):
        town.hire(signing=lambda request: None)
    assert not Permits(town.home.permits).running()
    later = town.hire()
    ran = [row["step"] for row in later.json["explained"] if row["reason"] != "kept"]
    assert ran == ["sign-off", "release"]


def test_what_is_signed_is_shown_in_full(town: Town) -> None:
    shown: list[SignOffRequest] = []

    def look(request: SignOffRequest) -> SignedBy:
        shown.append(request)
        return sign(request)

    result = town.hire(signing=look)
    text = "\n".join(shown[0].lines)
    for part in ("counter", "3 files", "promoted", "unanswerable", result.json["documents"]["digest"]):
        assert part in text


def test_explain_names_the_first_step_that_would_run_and_does_nothing(town: Town) -> None:
    assert explained(town) == {"admit": ("first run", "")}
    assert town.types == []
    town.hire()
    assert explained(town)["release"] == ("kept", "")
    (town.folder / "documents" / "library.md").write_text("# Library\n\nLoans last 30 days.\n")
    assert explained(town)["index"] == ("changed", "documents")
    town.hire()
    steps = {row["step"]: row["reason"] for row in town.hire().json["explained"]}
    assert set(steps.values()) == {"kept"}


def test_a_change_upstream_is_a_cascade_below(hired: Town) -> None:
    town = hired
    town.hire()
    (town.folder / "documents" / "library.md").write_text("# Library\n\nLoans last 30 days.\n")
    rows = {row["step"]: (row["reason"], row["detail"]) for row in town.hire().json["explained"]}
    assert rows["index"] == ("changed", "documents")
    assert rows["commit"] == ("cascade", "index")
    assert rows["race"] == ("cascade", "commit")


def test_a_lost_output_or_index_is_made_again(hired: Town) -> None:
    town = hired
    first = town.hire()
    shutil.rmtree(town.home.objects / "sha256")
    rows = {row["step"]: row["reason"] for row in town.hire().json["explained"]}
    # Rules lean to nothing, one candidate's like the other's: the second finds the first's output made again.
    assert {reason for step, reason in rows.items() if not step.startswith("leaning")} == {"missing"}
    for index in town.home.index.glob("*.sqlite"):
        if index.name != "cache.sqlite":
            index.unlink()
    assert explained(town)["index"][0] == "missing"
    again = town.hire()
    assert report_of(again) == report_of(first)


def test_the_second_hire_says_who_holds_the_home(town: Town) -> None:
    with town.home.lock("hire"), pytest.raises(HomeBusy, match="hint:"):
        town.hire()


def test_a_retired_alias_is_refused_before_anything_is_asked(hired: Town) -> None:
    town = hired
    town.hire()
    workers.retire(town.home, "counter")
    town.write_job(title="Another title")
    entries = len(town.types)
    with pytest.raises(WrongUse, match="does not come back"):
        town.hire()
    assert len(town.types) == entries


def test_a_suspended_worker_stays_suspended_whatever_is_hired(hired: Town) -> None:
    town = hired
    first = town.hire()
    workers.suspend(town.home, "counter")
    town.hire()
    town.hire(force=True)
    town.write_job(title="Another title")
    renewed = town.hire()
    assert renewed.json["release"] != first.json["release"]
    assert renewed.json["state"] == "suspended"
    assert Permits(town.home.permits).release("counter") is None
    workers.resume(town.home, "counter")
    assert Permits(town.home.permits).release("counter") == renewed.json["release"]


def test_the_race_asks_no_more_than_the_cap(town: Town) -> None:
    exam = town.folder / "exam" / "exam.yaml"
    town.write_exam([unanswerable(number) for number in range(60)])
    exam.write_text(exam.read_text() + "cap: 8\n")
    result = town.hire()
    assert {row["items"] for row in result.json["candidates"]} == {8}


def test_forcing_after_a_rollback_records_the_move(hired: Town) -> None:
    town = hired
    first = town.hire().json["release"]
    town.write_job(title="Another title")
    second = town.hire().json["release"]
    assert workers.rollback(town.home, "counter")["release"] == first
    assert Permits(town.home.permits).release("counter") == first
    assert town.hire(force=True).json["release"] == second
    moves = [item.entry["body"]["to"] for item in town.log.entries() if item.entry["type"] == "alias-moved"]
    assert moves == [first, second, first, second]
    with Database(town.home.database) as database:
        assert [move.release for move in Releases(database).history("counter")] == moves


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"documents": [{"path": "nothing"}]}, "no such document"),
        ({"exam": "nothing"}, "no such exam pack"),
        ({"locale": "sv-SE"}, "the exam is for en"),
        ({"charter": {"turn_to": "desk", "ai_notice": "An AI.", "file": "no.md"}}, "no such file"),
        ({"sponsor": ""}, "sponsor"),
    ],
)
def test_a_job_with_a_fault_starts_nothing(town: Town, change: dict[str, object], words: str) -> None:
    town.write_job(**change)
    with pytest.raises(WrongUse, match=words):
        town.hire()
    assert town.types == [] and not town.progress.stages


def test_refused_candidates_are_named_with_their_reasons(town: Town) -> None:
    town.write_job(requirements={"context": 100_000})
    with pytest.raises(StaffroomError, match="no candidate was admitted"):
        town.hire()
    town.write_job(requirements={"licenses": ["Apache-2.0"]}, candidates=["small"])
    assert town.hire().json["race"]["separated"]


def test_nobody_replaces_a_worker_in_service_unseen_unless_it_is_asked_for(hired: Town) -> None:
    town = hired
    first = town.hire(anew=False).json
    assert first["unchanged"], "the same hire again is no replacement"
    town.write_job(title="Another title")
    entries = len(town.types)
    with pytest.raises(WrongUse, match="is in service already") as caught:
        town.hire(anew=False)
    assert "staffroom improve counter" in str(caught.value) and "--anew" in str(caught.value)
    assert len(town.types) == entries and Permits(town.home.permits).release("counter") == first["release"]
    assert town.hire(anew=False, dry_run=True).json["verdict"] == "promoted"
    second = town.hire().json
    (said,) = [
        item.entry["body"]["replaces_unseen"]
        for item in town.log.entries()
        if "replaces_unseen" in item.entry["body"]
    ]
    assert said == first["release"] != second["release"] and town.log.verify().problems == ()
    assert town.hire(anew=False).json["unchanged"], "what was begun so goes on"
