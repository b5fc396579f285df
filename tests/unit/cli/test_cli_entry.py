import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import CommandLine

import staffroom as package
from staffroom.ledger import LogBusy
from staffroom.records.errors import StaffroomError, WrongUse

COMMANDS = [
    "init", "hire", "improve", "workers", "show", "chat", "serve", "exam", "suspend", "resume", "retire", "rollback", "models",
    "feedback", "log", "key", "schema", "doctor",
]  # fmt: skip
GROUPS = {
    "exam": ["run", "check", "alpha", "retire", "unseal"],
    "feedback": ["add", "import", "list", "accept", "reject"],
    "models": ["add", "get", "check", "list"],
    "log": ["verify", "show", "proof", "checkpoint"],
    "key": ["create", "revoke", "list"],
}


@pytest.mark.parametrize("language", ["en", "zh-TW"])
def test_help_lists_every_command(staffroom: CommandLine, language: str) -> None:
    said = staffroom("--help", STAFFROOM_LANG=language)
    assert said.status == 0
    listed = {line.split()[0] for line in said.out.splitlines() if line.startswith("  ") and line.split()}
    assert set(COMMANDS) <= listed
    for group, commands in GROUPS.items():
        said = staffroom(group, "--help", STAFFROOM_LANG=language)
        assert all(f"\n  {command} " in said.out for command in commands)


def test_help_speaks_the_language_of_the_user(staffroom: CommandLine) -> None:
    assert "招募" in staffroom("hire", "--help", LANG="zh_TW.UTF-8", STAFFROOM_LANG="").out
    assert "Recruit" in staffroom("hire", "--help", LANG="en_GB.UTF-8", STAFFROOM_LANG="").out


def test_every_command_speaks_json(staffroom: CommandLine) -> None:
    single = [[name] for name in COMMANDS if name not in GROUPS]
    for command in [*single, *([group, name] for group, names in GROUPS.items() for name in names)]:
        assert "--json" in staffroom(*command, "--help").out, command


def test_without_a_command_the_help_is_shown(staffroom: CommandLine) -> None:
    assert staffroom().status == 0
    said = staffroom("models")
    assert said.status == 0
    assert "list" in said.out


def test_the_version(staffroom: CommandLine) -> None:
    from staffroom import __version__

    assert staffroom("--version").out == f"staffroom {__version__}\n"


def test_a_wrong_command_is_wrong_use_with_a_hint(staffroom: CommandLine) -> None:
    said = staffroom("hire", "--no-such-option")
    assert said.status == 2
    assert said.out == ""
    assert said.err.rstrip().endswith("hint: staffroom hire --help")
    said = staffroom("nonsense", "--json")
    assert said.status == 2
    assert said.json["exit_code"] == 2
    assert said.json["error"]["hint"] == "staffroom --help"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (StaffroomError("it broke", where="a.yaml:3", hint="staffroom doctor"), 3),
        (WrongUse("wrong field", where="a.yaml:3", hint="staffroom doctor"), 2),
        (LogBusy("it broke", pid=4, where="a.yaml:3", hint="staffroom doctor"), 3),
    ],
)
def test_errors_say_what_where_and_what_next(
    staffroom: CommandLine, pipeline: Callable[..., None], error: Exception, status: int
) -> None:
    def list_workers(home: object) -> None:
        raise error

    pipeline("workers", list_workers=list_workers)
    said = staffroom("workers")
    assert said.status == status
    assert said.out == ""
    assert said.err == f"a.yaml:3: {error.message}\nhint: staffroom doctor\n"  # type: ignore[attr-defined]
    said = staffroom("workers", "--json")
    assert said.json["exit_code"] == said.status == status
    assert said.json["error"]["where"] == "a.yaml:3"


def test_a_defect_is_one_line_and_a_private_traceback(
    staffroom: CommandLine, pipeline: Callable[..., None]
) -> None:
    def list_workers(home: object) -> None:
        raise RuntimeError("a [bracket] that\nnobody foresaw")

    (staffroom.home / "private").mkdir(parents=True)
    pipeline("workers", list_workers=list_workers)
    said = staffroom("workers")
    assert said.status == 3
    assert "Traceback" not in said.err
    [place] = (staffroom.home / "private").glob("crash-*.txt")
    assert str(place) in said.err
    assert "[bracket]" in said.err
    assert "Traceback" in place.read_text()
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_a_traceback_without_a_home_goes_elsewhere_and_makes_none(
    staffroom: CommandLine, pipeline: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    pipeline("workers", list_workers=lambda home: 1 / 0)
    assert staffroom("workers").status == 3
    assert list(tmp_path.glob("crash-*.txt"))
    assert not staffroom.home.exists()


def test_ctrl_c_says_that_nothing_is_lost(staffroom: CommandLine, pipeline: Callable[..., None]) -> None:
    def list_workers(home: object) -> None:
        raise KeyboardInterrupt

    pipeline("workers", list_workers=list_workers)
    said = staffroom("workers")
    assert said.status == 130
    assert said.err == "stopped; the same command goes on from here\n"


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    code = "import sys; from staffroom.cli import main; sys.argv = ['staffroom', 'schema', 'job']; main()"
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            cwd=tmp_path,
            env=_path(),
        )
    finally:
        os.close(writer)
    assert done.returncode == 141
    assert done.stderr == b""


def _path() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(package.__file__).parents[1])}


def test_help_loads_nothing_heavy() -> None:
    heavy = (
        "sqlalchemy pydantic cryptography aiohttp numpy staffroom.store staffroom.pipeline staffroom.serve"
    )
    code = (
        "import sys; from staffroom.cli import run; status = run(['--help'], {});"
        f"print([name for name in {heavy.split()} if name in sys.modules], file=sys.stderr); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=_path()
    )
    assert done.returncode == 0
    assert done.stderr.strip() == "[]"
