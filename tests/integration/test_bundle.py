"""A bundle is made of what the lock file lists, is whole or not there, and installs from itself alone."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from staffroom.pipeline.bundle import make_bundle
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.recruit import load_catalogue
from staffroom.store import Home


class Quiet:
    """Shows nothing."""

    def stage(self, name: str, total: float) -> None: ...

    def advance(self, units: float = 1.0, note: str = "") -> None: ...

    def say(self, text: str) -> None: ...


def wheel(folder: Path, name: str, version: str) -> Path:
    """Make a small wheel whose module says its name."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}/__init__.py": f"print('{name} {version}')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [
        f"{place},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}"
        for place, text in files.items()
    ]
    with zipfile.ZipFile(path, "w") as archive:
        for place, text in files.items():
            archive.writestr(place, text)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]) + "\n")
    return path


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel(folder, "staffroom", "0.0.1")
    wheel(folder, "demo_part", "1.0")
    wheel(folder, "stranger", "1.0")
    return folder


@pytest.fixture
def lock(tmp_path: Path, wheels: Path) -> Path:
    digest = hashlib.sha256((wheels / "demo_part-1.0-py3-none-any.whl").read_bytes()).hexdigest()
    path = tmp_path / "run.txt"
    path.write_text(
        f"demo-part==1.0 \\\n    --hash=sha256:{'0' * 64} \\\n    --hash=sha256:{digest}\n    # via something\n"
        f"elsewhere==2.0 ; sys_platform == 'plan9' \\\n    --hash=sha256:{'1' * 64}\n"
    )
    return path


def test_it_installs_from_itself_alone(tmp_path: Path, wheels: Path, lock: Path) -> None:
    row = make_bundle(Home(tmp_path / "home"), tmp_path / "bundle", wheels, lock, (), Quiet())
    assert (row["wheels"], row["wheels_left_out"], row["without_wheel"]) == (
        2,
        ["stranger-1.0-py3-none-any.whl"],
        ["elsewhere"],
    )
    bundle = tmp_path / "carried"
    shutil.move(tmp_path / "bundle", bundle)
    (bundle / "models").mkdir()
    (bundle / "models" / "ab.gguf").write_bytes(b"weights")
    sums = (bundle / "SHA256SUMS").read_text()
    (bundle / "SHA256SUMS").write_text(sums + f"{hashlib.sha256(b'weights').hexdigest()}  models/ab.gguf\n")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path / "person"),
        "PYTHON": sys.executable,
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
    }
    for _ in range(2):  # the same again changes nothing
        done = subprocess.run(
            ["sh", str(bundle / "install.sh"), str(tmp_path / "target")],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    python = tmp_path / "target/venv/bin/python"
    said = subprocess.run(
        [python, "-c", "import staffroom, demo_part"], capture_output=True, text=True, check=True
    )
    assert said.stdout == "staffroom 0.0.1\ndemo_part 1.0\n"
    assert (tmp_path / "person/.cache/staffroom/models/ab.gguf").read_bytes() == b"weights"


def test_one_changed_byte_installs_nothing(tmp_path: Path, wheels: Path, lock: Path) -> None:
    make_bundle(Home(tmp_path / "home"), tmp_path / "bundle", wheels, lock, (), Quiet())
    for name in ("wheels/demo_part-1.0-py3-none-any.whl", "requirements.txt", "INSTALL.md"):
        path = tmp_path / "bundle" / name
        before = path.read_bytes()
        path.write_bytes(before + b" ")
        command = ["sh", str(tmp_path / "bundle/install.sh"), str(tmp_path / "target")]
        done = subprocess.run(
            command, capture_output=True, check=False, env={**os.environ, "PYTHON": sys.executable}
        )
        assert done.returncode != 0
        assert not (tmp_path / "target").exists()
        path.write_bytes(before)


def test_what_is_missing_or_wrong_is_said_and_nothing_is_left(
    tmp_path: Path, wheels: Path, lock: Path
) -> None:
    home, target = Home(tmp_path / "home"), tmp_path / "bundle"

    def bundle(models: tuple[str, ...] = ()) -> None:
        make_bundle(home, target, wheels, lock, models, Quiet())

    with pytest.raises(WrongUse, match="no model 'nobody'"):
        bundle(("nobody",))
    part = wheels / "demo_part-1.0-py3-none-any.whl"
    data = part.read_bytes()
    part.write_bytes(data + b"x")
    with pytest.raises(StaffroomError, match="none of the hashes"):
        bundle()
    part.unlink()
    with pytest.raises(WrongUse, match=r"wheels are missing: demo-part==1\.0"):
        bundle()
    part.write_bytes(data)
    (wheels / "staffroom-0.0.1-py3-none-any.whl").unlink()
    with pytest.raises(WrongUse, match="one wheel of Staffroom itself"):
        bundle()
    lock.write_text("demo-part>=1.0\n")
    with pytest.raises(WrongUse, match="not a package with its version and hashes"):
        bundle()
    assert not target.exists()
    assert not list(tmp_path.glob(".bundle*"))


def test_a_model_goes_along_by_its_digest(
    tmp_path: Path, wheels: Path, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    starter = load_catalogue()[0]
    with pytest.raises(WrongUse, match="not on this machine") as caught:
        make_bundle(Home(tmp_path / "home"), tmp_path / "bundle", wheels, lock, (starter.id,), Quiet())
    assert caught.value.hint == f"staffroom models get {starter.id}"
    place = tmp_path / "cache/staffroom/models" / f"{starter.digest.removeprefix('sha256:')}.gguf"
    place.write_bytes(b"GGUF and something else")
    with pytest.raises(StaffroomError, match="was changed"):
        make_bundle(Home(tmp_path / "home"), tmp_path / "bundle", wheels, lock, (starter.id,), Quiet())
    assert not (tmp_path / "bundle").exists()
