import errno
import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.records.digests import digest_bytes
from staffroom.records.errors import StaffroomError
from staffroom.store import DamagedObject, MissingObject, ObjectStore, write_durably


@settings(max_examples=30, deadline=None)
@given(data=st.binary(max_size=3000))
def test_what_goes_in_comes_out(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    store = ObjectStore(tmp_path_factory.mktemp("objects"))
    digest = store.put_bytes(data)
    assert digest == digest_bytes(data) == store.put_bytes(data)
    assert store.get(digest) == data
    assert store.has(digest)
    hexadecimal = digest.removeprefix("sha256:")
    assert store.path(digest) == store.folder / "sha256" / hexadecimal[:2] / hexadecimal
    assert not list((store.folder / "partial").iterdir())


def test_json_and_files(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path / "objects")
    value = {"b": [1, 2.5, None], "a": "規費"}
    digest = store.put_json(value)
    assert store.get(digest) == '{"a":"規費","b":[1,2.5,null]}'.encode()
    assert store.get_json(digest) == value
    source = tmp_path / "big"
    source.write_bytes(os.urandom(3 << 20))
    kept = store.put_file(source)
    assert store.put_file(source) == kept == digest_bytes(source.read_bytes())
    assert store.verified_path(kept).read_bytes() == source.read_bytes()
    assert not list((store.folder / "partial").iterdir())


def test_every_changed_byte_is_noticed(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    data = b"twenty four bytes or so"
    path = store.path(store.put_bytes(data))
    path.chmod(0o644)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        path.write_bytes(changed)
        with pytest.raises(DamagedObject, match="hint:"):
            store.get(digest_bytes(data))
        with pytest.raises(DamagedObject):
            store.verified_path(digest_bytes(data))


def test_missing_and_malformed(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    with pytest.raises(MissingObject):
        store.get(digest_bytes(b"never kept"))
    with pytest.raises(MissingObject):
        store.verified_path(digest_bytes(b"never kept"))
    for wrong in ("", "sha256:", "sha256:../../etc/passwd", "md5:" + "0" * 64, "sha256:" + "A" * 64):
        with pytest.raises(StaffroomError, match="not a digest"):
            store.path(wrong)


@pytest.mark.parametrize("failing", ["write", "fsync"])
def test_a_full_disk_is_said_and_leaves_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    store = ObjectStore(tmp_path / "objects")
    source = tmp_path / "source"
    source.write_bytes(b"x" * 2000)
    (tmp_path / "state").write_bytes(b"old")
    real_write = os.write

    def write(handle: int, data: bytes) -> int:
        if failing == "write" and len(data) <= 1000:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(handle, data[:1000])

    def fsync(_handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", write)
    if failing == "fsync":
        monkeypatch.setattr(os, "fsync", fsync)
    for attempt in (
        lambda: store.put_bytes(b"y" * 2000),
        lambda: store.put_file(source),
        lambda: write_durably(tmp_path / "state", b"n" * 2000),
    ):
        with pytest.raises(StaffroomError, match="the disk is full") as caught:
            attempt()
        assert "df -h" in caught.value.hint
    monkeypatch.undo()
    assert [path for path in (tmp_path / "objects").rglob("*") if path.is_file()] == []
    assert (tmp_path / "state").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["objects", "source", "state"]
    assert store.get(store.put_bytes(b"y" * 2000)) == b"y" * 2000


def test_sweep_takes_old_leftovers_only(tmp_path: Path) -> None:
    store = ObjectStore(tmp_path)
    store.put_bytes(b"kept")
    fresh, old = tmp_path / "partial" / "1-new", tmp_path / "partial" / "1-old"
    fresh.write_bytes(b"")
    old.write_bytes(b"")
    os.utime(old, (time.time() - 2 * 86_400,) * 2)
    assert store.sweep() == 1
    assert fresh.exists()
    assert not old.exists()
    assert ObjectStore(tmp_path / "nowhere").sweep() == 0


def test_write_durably_sets_the_mode(tmp_path: Path) -> None:
    write_durably(tmp_path / "key", b"secret", mode=0o600)
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
