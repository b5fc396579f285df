"""A gateway that is killed within answers: one row for each request that got a first byte, and every token in it."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from staffroom.pipeline import duty_audit
from staffroom.store import Home

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "audit.py"


@pytest.fixture
def audit(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The benchmark, of which this is the small form."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec = importlib.util.spec_from_file_location("audit_benchmark", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "audit_benchmark", module)
    spec.loader.exec_module(module)
    return module


@pytest.mark.timeout(280)
def test_each_request_has_one_row_whenever_the_gateway_is_killed(tmp_path: Path, audit: ModuleType) -> None:
    home = Home(tmp_path / "home").ensure()
    seen = audit.killed(home, kills=2, clients=6, seed=11)
    began = [each for each in seen.asked if each.first_byte]
    assert began
    rows = [row for each in began for row in seen.rows[each.audit_id]]
    assert len(rows) == len(began)
    assert any(row["outcome"] == "lost" for row in rows)
    assert any(row["outcome"] == "answered" for row in rows)
    found = seen.measures()
    assert found["rows_per_request"] == 1
    assert (found["requests_without_one_row"], found["ends_called_lost"]) == (0, 0)
    assert abs(found["ledger_tokens_per_engine_tokens"] - 1) < 0.01
    duty_audit.seal_rows(home)
    report = duty_audit.verify(home)
    assert (report.problems, report.open, report.rows) == ([], 0, report.sealed)
