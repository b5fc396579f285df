"""An improvement from end to end on a fake engine: promoted, refused, undecided, killed, verified."""

import pytest
from hire_world import Town
from improve_world import correct, ready_town, run_improve

from staffroom.store import Database, Releases


def test_corrections_make_a_better_worker_and_the_log_proves_it(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready_town(town, monkeypatch)
    correct(town)
    result = run_improve(town)
    print([(r["candidate"], r["mean"], r["items"]) for r in result.json["candidates"]], result.json["kinds"], result.json["incumbent_kinds"], [(p["name"], p["reason"], p["left_out"][:3]) for p in result.json["proposals"]])
    assert result.json["verdict"] == "promoted", result.json["reason"]
    assert result.exit_code == 0 and result.json["winner"] == "examples"
    assert town.log.verify().problems == ()
    with Database(town.home.database) as database:
        current = Releases(database).current("counter")
        assert current is not None and current.digest == result.json["release"]
        assert current.parent == Releases(database).of("counter")[0].digest
