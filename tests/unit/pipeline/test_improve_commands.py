"""The story on the command line: import, look, accept, explain, improve, due, retire; and what is wrong use."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from hire_world import Town
from improve_world import correction

from staffroom.cli import run


class Shell:
    """`staffroom` run in this process, in a town's home."""

    def __init__(self, town: Town, capsys: pytest.CaptureFixture[str]) -> None:
        self._home, self._capsys = str(town.home.path), capsys

    def __call__(self, *words: object, language: str = "en") -> tuple[int, str, str]:
        self._capsys.readouterr()
        environment = {"STAFFROOM_HOME": self._home, "STAFFROOM_LANG": language}
        status = run([str(word) for word in words], environment)
        said = self._capsys.readouterr()
        return status, said.out, said.err

    def json(self, *words: object) -> dict[str, Any]:
        value = json.loads(self(*words, "--json")[1])
        assert isinstance(value, dict)
        return value


@pytest.fixture
def shell(ready: Town, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(ready, capsys)


def corrections_file(folder: Path, count: int = 20) -> Path:
    path = folder / "corrections.csv"
    rows = [correction(number) for number in range(count)]
    rows[3]["edited_answer"] = "Write to ann@example.org."
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_the_whole_story(ready: Town, shell: Shell) -> None:
    path = corrections_file(ready.folder)
    status, out, _ = shell("feedback", "import", "counter", path, "--by", "Harbour master")
    assert status == 0 and "20 new, 0 known" in out and "personal data: fb-" in out
    status, out, _ = shell("feedback", "list", "counter", "--state", "quarantined")
    assert status == 0 and "harbour" in out and "email" in out
    status, out, _ = shell("feedback", "accept", "--all", "counter", "--by", "Harbour master")
    assert status == 0 and "Accepted: 19." in out and "are examined ever after" in out
    (flagged,) = shell.json("feedback", "list", "--state", "quarantined")["feedback"]
    assert shell.json("feedback", "reject", flagged["id"], "--by", "Head")["state"] == "rejected"
    assert shell.json("feedback", "add", "counter", "--question", "Q?", "--rating", "down")["new"] == 1

    status, out, _ = shell("improve", "counter", "--explain")
    assert status == 0 and "examples" in out and "would be use 2 of the gate" in out and "true gain" in out
    status, out, _ = shell("improve", "counter", "--explain", language="zh-TW")
    assert status == 0 and "提案，由便宜到貴" in out and "正式考試第 2 次使用" in out
    status, out, err = shell("improve", "counter")
    assert status == 2 and "staffroom improve counter --yes" in err

    status, out, _ = shell("improve", "counter", "--yes")
    assert status == 0 and "Promoted: task" in out and "staffroom rollback counter" in out
    assert shell("log", "verify")[0] == 0
    status, out, _ = shell("improve", "--due")
    assert status == 0 and out.startswith("counter: not due")
    assert shell.json("improve", "--due")["due"][0]["alias"] == "counter"

    status, out, _ = shell("retire", "counter", "--yes")
    assert status == 0 and "Certificate:" in out
    status, _, err = shell("improve", "counter", "--yes")
    assert status == 2 and "is retired" in err
    assert shell("log", "verify")[0] == 0


def test_nothing_to_try_says_so(shell: Shell) -> None:
    status, out, _ = shell("improve", "counter", "--yes")
    assert status == 0 and "Nothing to try" in out and "staffroom feedback import counter" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["improve"], "name the worker to improve"),
        (["improve", "nobody", "--yes"], "no worker is released as `nobody`"),
        (["feedback", "accept"], "name the feedback that is meant"),
        (["feedback", "accept", "fb-1234", "--all", "counter"], "name the feedback that is meant"),
        (["feedback", "accept", "fb-123456"], "no feedback called `fb-123456`"),
        (["feedback", "import", "counter", "nothing.csv"], "no such file"),
        (
            ["feedback", "add", "counter", "--audit", "audit_1", "--rating", "up"],
            "no answer with the audit id",
        ),
        (["feedback", "add", "counter", "--question", "Q?"], "it says nothing"),
        (["feedback", "add", "nobody", "--question", "Q?", "--rating", "up"], "no worker is released"),
        (["retire", "counter", "--yes", "--successor", "nobody"], "no other worker is released as `nobody`"),
    ],
)
def test_wrong_use_is_said_and_changes_nothing(
    ready: Town, shell: Shell, words: list[str], said: str
) -> None:
    size = ready.log.size()
    status, _, err = shell(*words)
    assert status == 2 and said in err and "hint:" in err
    assert ready.log.size() == size


def test_an_empty_file_is_an_error_and_nothing_is_lost(ready: Town, shell: Shell) -> None:
    path = ready.folder / "empty.csv"
    path.write_text("")
    status, _, err = shell("feedback", "import", "counter", path)
    assert status == 2 and "holds no feedback" in err
    assert shell("workers")[0] == 0
