"""Budgets and plain models as commands set them: admitted on record, permitted, listed, stopped, withdrawn."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from staffroom.pipeline.budgets import list_budgets, remove_budget, set_budget
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.plain_models import admit_plain, list_plain, withdraw_plain
from staffroom.pipeline.workers import resume, suspend
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.plain_model import PlainModel
from staffroom.serve import Permits
from staffroom.store import ApiKeys, Database, Home, PlainModels

SERVER = "server:http://127.0.0.1:9/v1#weights"


class Quiet:
    """Shows nothing."""

    def stage(self, name: str, total: float) -> None: ...

    def advance(self, units: float = 1.0, note: str = "") -> None: ...

    def say(self, text: str) -> None: ...


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home").ensure()


def admit(home: Home, alias: str = "drafts", **more: Any) -> dict[str, Any]:
    return admit_plain(home, alias, SERVER, "Lin Mei-hua", Quiet(), key="engine-secret", by="ops", **more)


def test_an_admission_is_on_record_before_it_is_permitted(home: Home) -> None:
    row = admit(home, price_read=Decimal("5.50"))
    assert (row["state"], row["price_read"], row["source"]) == (
        "running",
        "5.5",
        "endpoint:http://127.0.0.1:9/v1#weights",
    )
    assert admit(home, price_read=Decimal("5.50"))["digest"] == row["digest"]
    (entry,) = DecisionLog(home).entries()
    assert entry.entry["type"] == "plain-model-admitted"
    assert entry.entry["body"]["digest"] == row["digest"]
    text = str(entry.entry)
    assert "Lin" not in text
    assert "engine-secret" not in text
    assert Permits(home.permits).check("drafts", row["digest"])
    assert (home.keys / "engine-drafts.key").stat().st_mode & 0o777 == 0o600
    assert DecisionLog(home).verify().ok


def test_it_is_stopped_and_started_like_a_worker_and_withdrawn(home: Home) -> None:
    row = admit(home)
    suspend(home, "drafts", "ops")
    assert list_plain(home)[0]["state"] == "suspended"
    resume(home, "drafts", "ops")
    assert Permits(home.permits).check("drafts", row["digest"])
    changed = admit(home, context=8192)
    assert changed["digest"] != row["digest"]
    assert not Permits(home.permits).check("drafts", row["digest"]), "what was admitted before is out"
    withdraw_plain(home, "drafts", "ops")
    assert not Permits(home.permits).running()
    assert list_plain(home) == []
    assert not (home.keys / "engine-drafts.key").exists()
    with pytest.raises(WrongUse):
        withdraw_plain(home, "drafts", "ops")
    kinds = [item.entry["type"] for item in DecisionLog(home).entries()]
    assert kinds[0] == kinds[-2] == "plain-model-admitted"
    assert kinds[-1] == "plain-model-withdrawn"


def test_guardrails_are_admitted_with_the_model_and_its_words_stay_private(
    home: Home, tmp_path: Path
) -> None:
    row = admit(home)
    verdicts = {(rule["id"], rule["stage"]): rule["verdict"] for rule in row["guardrails"]}
    assert verdicts == {
        ("identifiers", "input"): "mask",
        ("identifiers", "output"): "mask",
        ("contacts", "input"): "flag",
        ("contacts", "output"): "flag",
        ("secrets", "input"): "mask",
        ("secrets", "output"): "mask",
    }
    bare = admit(home, guardrails="none")
    assert (bare["guardrails"], bare["digest"] != row["digest"]) == ([], True)
    file = tmp_path / "guardrails.yaml"
    file.write_text(
        "topics: [{name: t, words: [quiet word]}]\ncontacts: {output: mask}\nknown: [(02) 2345-6789]\n"
    )
    named = admit(home, guardrails=str(file))
    assert {rule["verdict"] for rule in named["guardrails"] if rule["id"] == "forbidden_topics"} == {"block"}
    assert "quiet word" not in str([item.entry for item in DecisionLog(home).entries()])
    with Database(home.database) as database:
        (kept,) = PlainModels(database).list()
    assert kept.model.guardrails is not None
    assert kept.model.guardrails.topics[0].words == ("quiet word",)
    assert kept.model.digest == named["digest"]
    file.write_text("contact: {output: mask}\n")
    with pytest.raises(WrongUse, match="did you mean `contacts`"):
        admit(home, guardrails=str(file))


def test_a_model_that_was_admitted_before_there_were_guardrails_is_the_same() -> None:
    old = {
        "alias": "a", "source": "endpoint:x#m", "sponsor": "c", "engine": "openai", "endpoints": ["chat"],
        "images": False, "context": 4096, "max_output": 512, "slots": 1, "waiting": 1, "currency": "TWD",
        "price_read": "0", "price_written": "0", "guardrails": [],
    }  # fmt: skip
    model = PlainModel.from_json(old)
    assert model.guardrails is None
    assert model.as_json() == old
    assert model.digest == digest_value(old)


def test_what_cannot_be_admitted(home: Home) -> None:
    for wrong in ({"engine": "magic"}, {"endpoints": ("chat", "moderations")}, {"price_read": Decimal(-1)}):
        with pytest.raises(StaffroomError):
            admit(home, **wrong)
    with pytest.raises(WrongUse, match="which model"):
        admit_plain(home, "x", "server:http://127.0.0.1:9/v1", "Lin Mei-hua", Quiet())
    assert list_plain(home) == []


def test_budgets_are_of_something_that_is_there(home: Home) -> None:
    admit(home)
    with Database(home.database) as database:
        key, _ = ApiKeys(database).create("desk")
    set_budget(home, "key", key.id, "day", tokens=1000)
    set_budget(home, "worker", "drafts", "total", tokens=5)
    set_budget(home, "worker", "drafts", "total", tokens=7)
    row = set_budget(home, "sponsor", "Lin Mei-hua", "month", money="12.5 TWD")
    assert (row["cap"], row["unit"], row["spent"]) == ("12.5", "TWD", "0")
    assert [(each["scope"], each["cap"]) for each in list_budgets(home)] == [
        ("key", 1000),
        ("sponsor", "12.5"),
        ("worker", 7),
    ]
    for scope, subject in (("key", "nobody"), ("worker", "nobody"), ("sponsor", "nobody")):
        with pytest.raises(WrongUse, match="nobody"):
            set_budget(home, scope, subject, "day", tokens=1)
    for money in ("12.5", "x TWD", "1 twd", "-1 TWD"):
        with pytest.raises(WrongUse):
            set_budget(home, "worker", "drafts", "day", money=money)
    assert remove_budget(home, "worker", "drafts") == 1
    with pytest.raises(WrongUse):
        remove_budget(home, "worker", "drafts")
