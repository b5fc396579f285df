"""Keys, commitments and the reading of entries."""

import contextlib
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffroom.ledger import (
    EntryError,
    KeyFileError,
    commit,
    generate_keys,
    load_keys,
    new_salt,
    opens,
    parse_vkey,
    read_entry,
)


def test_keys_are_private_and_read_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    made = generate_keys(tmp_path / "keys", "log.example/a")
    private = tmp_path / "keys" / "log.key"
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert load_keys(tmp_path / "keys").vkeys == made.vkeys
    assert (tmp_path / "keys" / "log.vkeys").read_text().split() == list(made.vkeys)
    assert [parse_vkey(v).name for v in made.vkeys] == ["log.example/a"] * 2
    secrets = [line.split("+", 4)[4] for line in private.read_text().splitlines()]
    shown = repr(made) + "".join(capfd.readouterr())
    assert len(secrets) == 2 and not any(secret in shown for secret in secrets)


def test_keys_are_never_replaced(tmp_path: Path) -> None:
    generate_keys(tmp_path, "log.example/a")
    before = (tmp_path / "log.key").read_bytes()
    with pytest.raises(KeyFileError, match="key already"):
        generate_keys(tmp_path, "log.example/a")
    assert (tmp_path / "log.key").read_bytes() == before


def test_keys_open_to_others_are_refused(tmp_path: Path) -> None:
    generate_keys(tmp_path, "log.example/a")
    (tmp_path / "log.key").chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        load_keys(tmp_path)


def test_missing_or_altered_keys_are_refused_without_showing_them(tmp_path: Path) -> None:
    with pytest.raises(KeyFileError, match="no key here"):
        load_keys(tmp_path)
    generate_keys(tmp_path, "log.example/a")
    path = tmp_path / "log.key"
    text = path.read_text()
    secret = text.splitlines()[0].split("+", 4)[4]
    altered = (
        text.replace("log.example/a", "log.example/b"),
        text.splitlines()[0] + "\n",
        text.replace(secret, secret[:-2] + "=="),
        "\n".join(reversed(text.splitlines())) + "\n",
        "",
        text + "x\n",
    )
    for wrong in altered:
        path.write_text(wrong)
        with pytest.raises(KeyFileError) as caught:
            load_keys(tmp_path)
        assert secret not in str(caught.value)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(KeyFileError):
        load_keys(tmp_path)


@given(st.binary(max_size=80), st.binary(min_size=32, max_size=32), st.binary(max_size=80))
def test_commitments_open_to_one_value_only(value: bytes, salt: bytes, other: bytes) -> None:
    commitment = commit(value, salt)
    assert opens(commitment, value, salt)
    assert opens(commitment, other, salt) == (other == value)
    assert not opens(commitment, value, bytes(32 - 1) + b"\x01") or salt == bytes(31) + b"\x01"


def test_commitment_form_is_fixed() -> None:
    assert commit(b"value", bytes(32)) == (
        "sha256:7410b142ef3000efc16d60e66069bf0b46b3369ff7920fcc5ca52c4481c13a7d"
    )
    assert len(new_salt()) == 32 and new_salt() != new_salt()
    with pytest.raises(ValueError, match="32 bytes"):
        commit(b"value", b"short")


def test_entries_read_as_objects() -> None:
    assert read_entry('{"kind":"exam","title":"戶籍"}'.encode()) == {"kind": "exam", "title": "戶籍"}


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"1", b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff", b"{", b"[" * 100_000, b'{"a":{"b":1,"b":1}}'],
)
def test_entries_that_are_no_object_are_refused(data: bytes) -> None:
    with pytest.raises(EntryError, match="entry 7"):
        read_entry(data, where="entry 7")


@given(st.binary(max_size=60))
def test_any_bytes_are_an_entry_or_refused(data: bytes) -> None:
    with contextlib.suppress(EntryError):
        assert isinstance(read_entry(data), dict)
