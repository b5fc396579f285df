"""A backup is whole or not there, holds keys only if asked, and comes back as a home that stands still."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from staffroom.ledger import LogRefused, read_last_signed
from staffroom.pipeline.backup import back_up, check_backup, restore
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.plain_models import admit_plain, list_plain
from staffroom.pipeline.workers import resume, retire
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.serve import Permits
from staffroom.store import ApiKeys, Database, Home, ObjectStore, SpendBook

SERVER = "server:http://127.0.0.1:9/v1#weights"
FORMS = ("folder", "a.tar", "a.tar.gz")


class Quiet:
    """Shows nothing."""

    def stage(self, name: str, total: float) -> None: ...

    def advance(self, units: float = 1.0, note: str = "") -> None: ...

    def say(self, text: str) -> None: ...


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with a bit of everything that a home keeps."""
    home = Home(tmp_path / "home").ensure()
    for alias in ("drafts", "gone"):
        admit_plain(home, alias, SERVER, "Lin Mei-hua", Quiet(), key="engine-secret", by="ops")
    retire(home, "gone", "ops")
    with Database(home.database) as database:
        ApiKeys(database).create("web")
    with SpendBook(home.private / "spend.db") as book:
        book.set(("key", "k", "tokens", "2026-12-01"), 7)
    ObjectStore(home.objects).put_bytes(b"an artifact")
    DecisionLog(home, rehearsal=True).append("note", "k", "", {})
    duty = home.private / "duty"
    duty.mkdir(mode=0o700)
    (duty / "2026-12-01.jsonl").write_bytes(b'{"audit_id":"a1"}\n{"audit_id":"a2"}\n{"audit')
    (duty / "2026-12-01.texts.jsonl").write_bytes(b'{"audit_id":"a1"}\n{"audit_id":"a2"}\n')
    (duty / "2026-12-01.jsonl").chmod(0o600)
    (home.keys / "loopback.key").write_text("sr-loopback-secret\n")
    return home


def taken(home: Home, place: Path, **options: Any) -> Path:
    return Path(back_up(home, place, Quiet(), **options)["place"])


def secrets_of(home: Home) -> list[bytes]:
    places = (home.keys / "decisions", home.private / "rehearsal/keys/decisions")
    lines = b"".join((place / "log.key").read_bytes() for place in places).split(b"\n")
    return [line.split(b"+", 4)[4] for line in lines if line] + [b"engine-secret", b"sr-loopback-secret"]


def everything_in(backup: Path) -> bytes:
    if backup.is_dir():
        return b"".join(path.read_bytes() for path in sorted(backup.rglob("*")) if path.is_file())
    with tarfile.open(backup) as archive:
        found = (archive.extractfile(member) for member in archive.getmembers())
        return b"".join(stream.read() for stream in found if stream)


@pytest.mark.parametrize("form", FORMS)
def test_what_was_kept_comes_back_and_stands_still(home: Home, tmp_path: Path, form: str) -> None:
    backup = taken(home, tmp_path / "safe" / form)
    back = Home(tmp_path / "back")
    row = restore(back, backup, Quiet())
    assert row["running"] == ["drafts"]
    assert not row["signing_keys"] and not row["keys"]
    assert Permits(back.permits).running() == {}
    assert Permits(back.permits).state("gone") == "retired"
    assert [each["alias"] for each in list_plain(back)] == [each["alias"] for each in list_plain(home)]
    with Database(back.database) as database:
        assert [key.name for key in ApiKeys(database).list()] == ["web"]
    with SpendBook(back.private / "spend.db") as book:
        assert book.debited(("key", "k", "tokens", "2026-12-01")) == 7
    log = DecisionLog(back)
    assert log.verify().ok
    assert [item.entry for item in log.entries()] == [item.entry for item in DecisionLog(home).entries()]
    lines = (back.private / "duty/2026-12-01.jsonl").read_bytes()
    assert lines == b'{"audit_id":"a1"}\n{"audit_id":"a2"}\n'  # the half line was being written
    assert (back.private / "duty/2026-12-01.jsonl").stat().st_mode & 0o777 == 0o600
    assert back.private.stat().st_mode & 0o777 == 0o700
    assert (backup.stat().st_mode & 0o077) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["back", "home", "safe"]


@pytest.mark.parametrize("form", FORMS)
def test_keys_go_in_only_if_asked(home: Home, tmp_path: Path, form: str) -> None:
    found = everything_in(taken(home, tmp_path / "safe" / form))
    assert not [secret for secret in secrets_of(home) if secret in found]
    with_keys = taken(home, tmp_path / "keys" / form, keys=True)
    found = everything_in(with_keys)
    held = [secret in found for secret in secrets_of(home)]
    assert held == [True, True, False, False, True, True]  # a rehearsal's keys are no use to anybody
    assert b"decisions.last-signed" not in found
    back = Home(tmp_path / "back")
    assert restore(back, with_keys, Quiet())["signing_keys"]
    assert (back.keys / "decisions/log.key").stat().st_mode & 0o777 == 0o600


def test_a_restored_home_signs_nothing_and_resumes_nobody(home: Home, tmp_path: Path) -> None:
    back = Home(tmp_path / "back")
    restore(back, taken(home, tmp_path / "safe", keys=True), Quiet())
    with pytest.raises(LogRefused, match="came back from a backup") as caught:
        DecisionLog(back).append("note", "k", "", {})
    assert "staffroom log reconcile" in caught.value.hint
    with pytest.raises(LogRefused):
        resume(back, "drafts", "ops")
    assert Permits(back.permits).running() == {}
    assert DecisionLog(back).size() == DecisionLog(home).size()


def test_keys_from_elsewhere_and_what_they_know(home: Home, tmp_path: Path) -> None:
    backup = taken(home, tmp_path / "safe")
    DecisionLog(home).append("note", "later", "", {})
    shutil.copytree(home.keys, tmp_path / "keys")
    back = Home(tmp_path / "back")
    assert restore(back, backup, Quiet(), keys_from=tmp_path / "keys")["signing_keys"]
    record = read_last_signed(DecisionLog(back).last_signed)
    assert record is not None and record.size == DecisionLog(home).size() - 1
    mark = json.loads(DecisionLog(back).last_signed.read_text())["restored"]
    assert mark["known"]["size"] == DecisionLog(home).size()
    other = Home(tmp_path / "other").ensure()
    DecisionLog(other).keys()
    with pytest.raises(WrongUse, match="not the keys of the log"):
        restore(Home(tmp_path / "third"), backup, Quiet(), keys_from=other.keys)
    assert not (tmp_path / "third").exists()


def test_clients_keys_can_be_revoked_on_the_way(home: Home, tmp_path: Path) -> None:
    back = Home(tmp_path / "back")
    assert restore(back, taken(home, tmp_path / "safe"), Quiet(), revoke_keys=True)["keys_revoked"] == 1
    with Database(back.database) as database:
        assert all(key.revoked for key in ApiKeys(database).list())


def test_a_home_at_work_is_backed_up_consistently(home: Home, tmp_path: Path) -> None:
    ended = threading.Event()
    failed: list[BaseException] = []

    def work() -> None:
        number = 0
        while not ended.is_set() and number < 300:
            number += 1
            try:
                admit_plain(home, f"model-{number}", SERVER, f"person {number}", Quiet(), by="ops")
            except StaffroomError as error:
                failed.append(error)
                return

    worker = threading.Thread(target=work)
    worker.start()
    try:
        backups = [taken(home, tmp_path / f"safe-{number}") for number in range(3)]
    finally:
        ended.set()
        worker.join()
    assert not failed
    for number, backup in enumerate(backups):
        back = Home(tmp_path / f"back-{number}")
        restore(back, backup, Quiet())
        log = DecisionLog(back)
        assert log.verify().ok
        admitted = {
            item.entry["body"]["digest"]: item.entry
            for item in log.entries()
            if "digest" in item.entry["body"]
        }
        for row in list_plain(back):
            body = admitted[row["digest"]]["body"]
            assert log.value_behind(body["manifest"]["sponsor"]) == row["sponsor"]


@pytest.mark.parametrize("form", FORMS)
def test_a_full_disk_leaves_nothing(
    home: Home, tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, left = os.write, 0

    def write(handle: int, data: bytes) -> int:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, data)

    monkeypatch.setattr(os, "write", write)
    failures = 0
    for count in (1, 2, 5, 9, 14, 21, 28, 10_000):
        left, safe = count, tmp_path / f"safe-{count}"
        try:
            taken(home, safe / form)
        except StaffroomError as error:
            failures += 1
            assert "the disk is full" in error.message
            assert [path for path in safe.rglob("*") if path.name != form or path.is_file()] == []
        else:
            break
    assert failures >= 4
    monkeypatch.setattr(os, "write", real)
    check_backup(
        home, next(path for path in (safe / form, *(safe / form).glob("staffroom-*"))[::-1]), Quiet()
    )


def test_a_full_disk_under_sqlite_is_said(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(sqlite3.Connection):
        def backup(self, *_: Any, **__: Any) -> None:
            raise sqlite3.OperationalError("database or disk is full")

    real = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: real(*args, **{**more, "factory": Full}))
    with pytest.raises(StaffroomError, match="the disk is full"):
        taken(home, tmp_path / "safe")
    assert list((tmp_path / "safe").iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from staffroom.cli import run
count = int(sys.argv[1])
real = os.write
def write(handle, data):
    global count
    if handle > 2:
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)
    return real(handle, data)
os.write = write
os.fsync = lambda handle: None
sys.exit(run(sys.argv[2:], os.environ))
"""


@pytest.mark.parametrize("form", FORMS[:2])
def test_a_kill_leaves_what_nobody_takes_for_a_backup(home: Home, tmp_path: Path, form: str) -> None:
    safe = tmp_path / "safe"
    for count in (2, 12):
        command = [sys.executable, "-c", KILLED, str(count), "backup", str(safe / form), "--json"]
        ended = subprocess.run(command, env={**os.environ, "STAFFROOM_HOME": str(home.path)}, check=False)
        assert ended.returncode == -9
        left = list(safe.rglob(".*.partial"))
        assert len(left) == 1
        for place in (left[0], left[0] / "backup"):
            if place.exists():
                with pytest.raises(StaffroomError, match="not a whole backup"):
                    check_backup(home, place, Quiet())
    check_backup(home, taken(home, safe / form), Quiet())
    assert list(safe.rglob(".*.partial")) == []


def test_a_kill_within_a_restore_leaves_no_home(home: Home, tmp_path: Path) -> None:
    backup, back = taken(home, tmp_path / "safe"), tmp_path / "back"
    script = KILLED.replace("os.write = write", "os.fchmod = lambda handle, mode: write(3, b'')").replace(
        "return real(handle, data)", "return 0"
    )
    command = [sys.executable, "-c", script, "6", "restore", str(backup)]
    ended = subprocess.run(command, env={**os.environ, "STAFFROOM_HOME": str(back)}, check=False)
    assert ended.returncode == -9
    assert not back.exists()
    assert len(list(tmp_path.glob(".back.*.partial"))) == 1
    restore(Home(back), backup, Quiet())
    assert list(tmp_path.glob(".*.partial")) == []


def _flip(path: Path, place: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1
    path.chmod(0o600)
    path.write_bytes(data)


def test_damage_is_found_before_there_is_a_home(home: Home, tmp_path: Path) -> None:
    backup = taken(home, tmp_path / "safe")
    for path in sorted(
        path for path in (backup / "home").rglob("*") if path.is_file() and path.stat().st_size
    ):
        before = path.read_bytes()
        _flip(path, len(before) // 2)
        with pytest.raises(StaffroomError, match="not what the manifest says"):
            restore(Home(tmp_path / "back"), backup, Quiet())
        path.write_bytes(before)
    assert not (tmp_path / "back").exists()
    check_backup(home, backup, Quiet())


def _without_manifest(backup: Path) -> None:
    (backup / "manifest.json").unlink()


def _with_a_stranger(backup: Path) -> None:
    (backup / "home/permits").mkdir(exist_ok=True)
    (backup / "home/permits/drafts").write_text("sha256:" + "0" * 64)


def _with_a_link(backup: Path) -> None:
    path = backup / "home/private/spend.db"
    path.rename(backup.parent / "spend.db")
    path.symlink_to(backup.parent / "spend.db")


def _with_a_climbing_path(backup: Path) -> None:
    manifest = json.loads((backup / "manifest.json").read_bytes())
    manifest["files"][0]["path"] = "../outside"
    (backup / "manifest.json").write_text(json.dumps(manifest))


def _of_another_format(backup: Path) -> None:
    manifest = json.loads((backup / "manifest.json").read_bytes())
    (backup / "manifest.json").write_text(json.dumps({**manifest, "format": "tape/9"}))


@pytest.mark.parametrize(
    "change", [_without_manifest, _with_a_stranger, _with_a_link, _with_a_climbing_path, _of_another_format]
)
def test_what_is_no_whole_backup_is_refused(
    home: Home, tmp_path: Path, change: Callable[[Path], None]
) -> None:
    backup = taken(home, tmp_path / "safe")
    change(backup)
    with pytest.raises(StaffroomError, match="not a whole backup"):
        restore(Home(tmp_path / "back"), backup, Quiet())
    assert not (tmp_path / "back").exists() and not (tmp_path / "outside").exists()


@pytest.mark.parametrize("form", FORMS[1:])
def test_a_tar_file_that_was_cut_off_is_refused(home: Home, tmp_path: Path, form: str) -> None:
    backup = taken(home, tmp_path / form)
    data = backup.read_bytes()
    # What tar itself writes behind the last file is padding: only that may be missing.
    for share in (0.0, 0.01, 0.3, 0.7, 0.9):
        backup.write_bytes(data[: int(len(data) * share)])
        with pytest.raises(StaffroomError, match="not a whole backup"):
            check_backup(home, backup, Quiet())


def test_a_manifest_kept_elsewhere_tells_of_a_forged_backup(home: Home, tmp_path: Path) -> None:
    row = back_up(home, tmp_path / "safe", Quiet())
    check_backup(home, Path(row["place"]), Quiet(), expected=row["manifest"])
    with pytest.raises(StaffroomError, match="not the one expected"):
        check_backup(home, Path(row["place"]), Quiet(), expected="sha256:" + "0" * 64)


def test_a_home_that_is_there_is_never_touched(home: Home, tmp_path: Path) -> None:
    backup = taken(home, tmp_path / "safe")
    with pytest.raises(WrongUse, match="there is a home already"):
        restore(home, backup, Quiet())
    with pytest.raises(WrongUse, match="lost with it"):
        back_up(home, home.path / "safe", Quiet())
    with pytest.raises(WrongUse, match="is there already"):
        (tmp_path / "b.tar").write_bytes(b"")
        back_up(home, tmp_path / "b.tar", Quiet())
    (tmp_path / "empty").mkdir()
    restore(Home(tmp_path / "empty"), backup, Quiet())


def test_a_damaged_object_is_named_and_a_damaged_index_is_no_backup(home: Home, tmp_path: Path) -> None:
    path = next(path for path in (home.objects / "sha256").rglob("*") if path.is_file())
    _flip(path)
    row = back_up(home, tmp_path / "safe", Quiet())
    assert row["damaged"] == [path.relative_to(home.path).as_posix()]
    home.database.write_bytes(home.database.read_bytes()[:4096] + b"\xff" * 8192)
    with pytest.raises(StaffroomError, match=r"damaged|cannot be copied"):
        back_up(home, tmp_path / "second", Quiet())
    assert list((tmp_path / "second").iterdir()) == []


def test_a_backup_of_a_newer_staffroom_is_refused(home: Home, tmp_path: Path) -> None:
    backup = taken(home, tmp_path / "safe")
    manifest = json.loads((backup / "manifest.json").read_bytes())
    (backup / "manifest.json").write_text(json.dumps({**manifest, "schema": 999}))
    with pytest.raises(StaffroomError, match="newer Staffroom"):
        restore(Home(tmp_path / "back"), backup, Quiet())


def test_keys_of_a_log_that_had_not_begun_do_not_come_back(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").ensure()
    Database(home.database).close()
    vkeys = DecisionLog(home).keys().vkeys
    backup = taken(home, tmp_path / "safe", keys=True)
    back = Home(tmp_path / "back")
    restore(back, backup, Quiet())
    DecisionLog(home).append("note", "k", "", {})
    DecisionLog(back).append("note", "k", "", {})
    assert DecisionLog(back).vkeys() != vkeys
