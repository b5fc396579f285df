"""Paths and framing of the folder."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.ledger import EntryError, LogDamaged, read_entries
from staffroom.ledger.tiles import bundle_path, encode_bundle, parse_bundle, parse_path, tile_path


def test_paths_of_the_specification() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(1, 0, 17) == "tile/1/000.p/17"
    assert bundle_path(999) == "tile/entries/999"
    assert bundle_path(1000, 255) == "tile/entries/x001/000.p/255"


@given(st.integers(0, 7), st.integers(0, 2**50), st.integers(1, 256))
def test_paths_read_back(level: int, index: int, width: int) -> None:
    assert parse_path(tile_path(level, index, width)) == (level, index, width)
    assert parse_path(bundle_path(index, width)) == (0, index, width)


@pytest.mark.parametrize(
    "path",
    [
        "checkpoint",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/x000/001",
        "tile/00/000",
        "tile/0/1",
        "tile/0/000.p",
    ],
)
def test_other_paths_are_none(path: str) -> None:
    assert parse_path(path) is None


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=300), max_size=20))
def test_bundles_read_back(entries: list[bytes]) -> None:
    assert parse_bundle(encode_bundle(entries), len(entries)) == entries


@settings(max_examples=100)
@given(st.binary(max_size=100), st.integers(0, 5))
def test_any_bytes_are_a_bundle_or_refused(data: bytes, width: int) -> None:
    with contextlib.suppress(LogDamaged):
        assert data.startswith(encode_bundle(parse_bundle(data, width)))


def test_longest_entry() -> None:
    assert parse_bundle(encode_bundle([bytes(65_535)]), 1) == [bytes(65_535)]
    with pytest.raises(EntryError, match="65536 bytes"):
        encode_bundle([bytes(65_536)])


def test_missing_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogDamaged, match=r"tile/entries/000\.p/3"):
        list(read_entries(tmp_path, 3))
