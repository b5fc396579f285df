"""Fetching from local package folders: joining, refusing, resuming, never twice. (Over HTTP: tests/integration.)"""

import fcntl
import hashlib
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from staffroom.records.errors import StaffroomError
from staffroom.recruit import fetch as fetch_module
from staffroom.recruit.cache import cache_folder, model_path, verified
from staffroom.recruit.catalogue import HubReference, Starter, WheelMember
from staffroom.recruit.fetch import fetch_starter, hub_url
from staffroom.recruit.index import PipSettings

PARTS = (b"first " * 1000, b"second " * 2000, b"third " * 500)
WHOLE = b"".join(PARTS)


def quiet(done: int, whole: int, note: str) -> None:
    pass


@pytest.fixture
def starter() -> Starter:
    wheels = tuple(
        WheelMember(f"small-model-part{n}", "1.0", f"small_model_part{n}/data/part{n:02d}.bin")
        for n in (1, 2, 3)
    )
    digest = "sha256:" + hashlib.sha256(WHOLE).hexdigest()
    return Starter("small", "Small", "small.gguf", len(WHOLE), digest, "MIT", "a maker", "", None, wheels)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    for number, content in enumerate(PARTS, start=1):
        write_wheel(folder, number, content)
    return folder


def write_wheel(folder: Path, number: int, content: bytes, member: str | None = None) -> Path:
    path = folder / f"small_model_part{number}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"small_model_part{number}/__init__.py", "raise SystemExit('imported')")
        archive.writestr(member or f"small_model_part{number}/data/part{number:02d}.bin", content)
    return path


def links(folder: Path) -> PipSettings:
    return PipSettings((), (str(folder),), None)


def left_over() -> list[str]:
    return sorted(
        path.name for path in cache_folder().iterdir() if path.suffix not in (".gguf", ".verified", ".lock")
    )


def test_parts_are_joined_and_the_channel_is_named(starter: Starter, shop: Path) -> None:
    seen: list[tuple[int, int, str]] = []
    fetched = fetch_starter(starter, lambda *report: seen.append(report), settings=links(shop))
    assert fetched.path == model_path(starter.digest) and fetched.path.read_bytes() == WHOLE
    assert fetched.channel.startswith("package wheels") and str(shop) in fetched.channel
    assert fetched.refused == ("hub: this starter has no place there",)
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert seen[-1][:2] == (len(WHOLE), len(WHOLE))
    assert left_over() == []


def test_a_good_file_is_neither_fetched_nor_hashed_again(
    starter: Starter, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_starter(starter, quiet, settings=links(shop))

    def must_not(path: Path) -> str:
        raise AssertionError(f"{path} was hashed again")

    monkeypatch.setattr("staffroom.recruit.cache.digest_file", must_not)
    again = fetch_starter(starter, quiet, settings=PipSettings((), (), None))
    assert again.channel == "already on this machine"


@pytest.mark.parametrize("change", ["longer", "other"])
def test_a_file_that_went_bad_is_replaced(starter: Starter, shop: Path, change: str) -> None:
    path = fetch_starter(starter, quiet, settings=links(shop)).path
    path.chmod(0o644)
    path.write_bytes(WHOLE + b"x" if change == "longer" else WHOLE[::-1])
    assert not verified(path, starter.digest, expected_bytes=starter.bytes)
    assert fetch_starter(starter, quiet, settings=links(shop)).path.read_bytes() == WHOLE


def bad_shops(shop: Path) -> Iterator[str]:
    write_wheel(shop, 2, PARTS[1][:-1])
    yield "bytes instead of"
    write_wheel(shop, 2, PARTS[1][::-1])
    yield "another SHA-256"
    write_wheel(shop, 2, PARTS[1] * 3)
    yield "holds more than"
    write_wheel(shop, 2, PARTS[1], member="elsewhere.bin")
    yield "has no member"
    path = write_wheel(shop, 2, PARTS[1])
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    yield "damaged|another SHA-256|cannot be opened|has no member"
    path.write_bytes(b"not an archive")
    yield "cannot be opened"
    path.unlink()
    yield "no wheel of small-model-part2 1.0"


def test_wrong_or_missing_parts_are_refused_and_nothing_wrong_stays(starter: Starter, shop: Path) -> None:
    for expected in bad_shops(shop):
        with pytest.raises(StaffroomError, match=expected) as caught:
            fetch_starter(starter, quiet, settings=links(shop))
        assert "hint: carry the file small.gguf in" in str(caught.value)
        assert not model_path(starter.digest).exists()
    write_wheel(shop, 2, PARTS[1])
    assert fetch_starter(starter, quiet, settings=links(shop)).path.read_bytes() == WHOLE


def test_an_interrupted_join_goes_on_behind_the_last_whole_part(starter: Starter, shop: Path) -> None:
    (shop / "small_model_part3-1.0-py3-none-any.whl").rename(shop / "later")
    with pytest.raises(StaffroomError, match="no wheel of small-model-part3"):
        fetch_starter(starter, quiet, settings=links(shop))
    join = next(path for path in cache_folder().iterdir() if path.suffix == ".join")
    with join.open("ab") as stream:
        stream.write(b"half a part that was being written when the power went")
    for number in (1, 2):
        (shop / f"small_model_part{number}-1.0-py3-none-any.whl").unlink()
    (shop / "later").rename(shop / "small_model_part3-1.0-py3-none-any.whl")
    assert fetch_starter(starter, quiet, settings=links(shop)).path.read_bytes() == WHOLE
    assert left_over() == []


def test_the_disk_is_looked_at_first(starter: Starter, shop: Path) -> None:
    huge = replace(starter, bytes=1 << 60)
    with pytest.raises(StaffroomError, match=r"not enough disk space(.|\n)*hint: .*XDG_CACHE_HOME"):
        fetch_starter(huge, quiet, settings=links(shop))


def test_offline_names_each_channel(starter: Starter, tmp_path: Path) -> None:
    with_hub = replace(starter, hub=HubReference("owner/repository", "abc", "small.gguf"))
    settings = PipSettings(("https://index.invalid/simple",), (str(tmp_path / "nowhere"),), None)
    with pytest.raises(StaffroomError) as caught:
        fetch_starter(with_hub, quiet, settings=settings)
    assert "hub: not asked, because STAFFROOM_OFFLINE is set" in str(caught.value)
    assert "the network was not asked" in str(caught.value)


def test_the_hub_can_be_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAFFROOM_HUB", "https://hub.town.invalid/")
    url = hub_url(HubReference("owner/repository", "abc", "small.gguf"))
    assert url == "https://hub.town.invalid/owner/repository/resolve/abc/small.gguf"


def test_a_second_process_waits_for_the_first(starter: Starter, shop: Path) -> None:
    notes: list[str] = []
    waits = threading.Event()

    def report(done: int, whole: int, note: str) -> None:
        notes.append(note)
        if "another process" in note:
            waits.set()

    with (cache_folder() / f"{model_path(starter.digest).stem}.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        thread = threading.Thread(
            target=fetch_starter, args=(starter, report), kwargs={"settings": links(shop)}
        )
        thread.start()
        assert waits.wait(5)
        assert not model_path(starter.digest).exists()
        fcntl.flock(held, fcntl.LOCK_UN)
        thread.join(10)
    assert model_path(starter.digest).read_bytes() == WHOLE
    assert notes[0].startswith("another process")


def test_a_full_disk_is_an_error_with_a_next_step(
    starter: Starter, shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(fetch_module.shutil, "copyfileobj", full)
    with pytest.raises(
        StaffroomError, match=r"No space left on device(.|\n)*hint: staffroom models get small"
    ):
        fetch_starter(starter, quiet, settings=links(shop))
