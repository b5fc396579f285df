"""The models of a home: what enters, what is refused, how it is found and checked."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_gguf as t
from hypothesis import given
from hypothesis import strategies as st

from staffroom.gguf import BadModelFile
from staffroom.records.digests import digest_bytes
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.models import Candidate
from staffroom.recruit import shelf
from staffroom.recruit.cache import cache_folder, model_path
from staffroom.recruit.catalogue import load_catalogue
from staffroom.recruit.references import parse_reference

DATA = t.tiny()
DIGEST = digest_bytes(DATA)


def quiet(done: int, whole: int, note: str) -> None:
    pass


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    path = tmp_path / "stick" / "Tiny Model.gguf"
    path.parent.mkdir()
    path.write_bytes(DATA)
    return path


def test_a_file_from_a_stick_enters_without_network(home: Path, stick: Path) -> None:
    entry = shelf.add_model(home, str(stick), quiet, maker="a maker")
    model = entry.candidate.model
    assert model is not None
    assert (model.digest, model.name, model.bytes) == (DIGEST, "Tiny", len(DATA))
    assert (model.license, model.maker, model.source) == ("Apache-2.0", "a maker", "file Tiny Model.gguf")
    assert (entry.id, entry.checked_against) == ("tiny-model", "nothing")
    stick.unlink()
    place = shelf.file_of(home, entry.candidate)
    assert place == home / "models" / f"{model.hex}.gguf" and place.read_bytes() == DATA
    assert place.samefile(model_path(DIGEST))
    assert not [path for path in cache_folder().iterdir() if "incoming" in path.name]


def test_the_record_comes_back_as_it_was(home: Path, stick: Path) -> None:
    entry = shelf.add_model(home, str(stick), quiet)
    assert shelf.list_models(home) == (entry,)
    assert Candidate.from_json(json.loads(json.dumps(entry.candidate.as_json()))) == entry.candidate
    assert shelf.add_model(home, str(stick), quiet) == entry


def test_a_catalogue_file_carried_in_gets_the_catalogue_facts(
    home: Path, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starter = replace(load_catalogue()[0], digest=DIGEST, bytes=len(DATA))
    monkeypatch.setattr(shelf, "starter_by_digest", lambda digest: starter if digest == DIGEST else None)
    entry = shelf.add_model(home, str(stick), quiet, license="MIT")
    assert (entry.id, entry.checked_against) == (starter.id, "catalogue")
    assert entry.candidate.license == starter.license


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix", "a Python pickle"),
        (b"cos\nsystem\n(S'x'\ntR.", "a Python pickle"),
        (b"PK\x03\x04" + bytes(60), "PyTorch keeps pickles"),
        ((60).to_bytes(8, "little") + b'{"a":{"dtype":"F32"}}', "safetensors"),
        (b"<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS pointer"),
        (bytes(257) + b"ustar" + bytes(100), "TAR archive"),
        (b"tjgg" + bytes(60), "GGML file"),
        (b"", "empty"),
        (bytes(100), "no known model format"),
        (DATA[:-100], "ends 68 bytes after the file|after the file"),
    ],
)
def test_what_is_no_sound_gguf_is_refused_and_leaves_nothing(
    home: Path, stick: Path, content: bytes, expected: str
) -> None:
    stick.write_bytes(content)
    with pytest.raises(BadModelFile, match=expected):
        shelf.add_model(home, str(stick), quiet)
    assert shelf.list_models(home) == ()
    assert not (cache_folder() / "x").exists() and list(cache_folder().iterdir()) == []


def test_servers_are_records_without_a_file(home: Path) -> None:
    entry = shelf.add_model(home, "server:http://127.0.0.1:8000/v1#big-model", quiet)
    assert entry.candidate.endpoint_bound and entry.id == "big-model"
    assert (entry.candidate.endpoint, entry.candidate.endpoint_model) == (
        "http://127.0.0.1:8000/v1",
        "big-model",
    )
    other = shelf.add_model(home, "https://models.town.invalid/v1", quiet, name="town")
    assert (other.id, other.candidate.endpoint_model) == ("town", None)
    assert (
        shelf.resolve_candidate(home, "server:http://127.0.0.1:8000/v1#big-model", quiet) == entry.candidate
    )
    assert len(shelf.list_models(home)) == 2
    with pytest.raises(WrongUse, match="is a server"):
        shelf.file_of(home, entry.candidate)


def test_models_are_found_by_id_name_and_digits(home: Path, stick: Path) -> None:
    entry = shelf.add_model(home, str(stick), quiet)
    for name in ("tiny-model", "TINY", DIGEST, DIGEST[7:], DIGEST[7:20]):
        assert shelf.find_model(home, name) == entry
    with pytest.raises(WrongUse, match="did you mean tiny-model"):
        shelf.find_model(home, "tiny-modle")
    with pytest.raises(WrongUse, match="no model"):
        shelf.find_model(home, DIGEST[7:12])


def test_two_models_of_one_name_are_told_apart(home: Path, stick: Path) -> None:
    first = shelf.add_model(home, str(stick), quiet)
    stick.write_bytes(t.tiny(general__name=(t.STRING, "tiny")))
    second = shelf.add_model(home, str(stick), quiet)
    assert second.id.startswith("tiny-model-") and second.id != first.id
    with pytest.raises(WrongUse, match=f"may be {first.id}, {second.id}"):
        shelf.find_model(home, "Tiny")


def test_check_always_hashes_and_says_what_to_do(home: Path, stick: Path) -> None:
    entry = shelf.add_model(home, str(stick), quiet)
    shelf.add_model(home, "server:http://127.0.0.1:8000/v1#m", quiet)
    assert [found.ok for found in shelf.check_models(home)] == [True, True]
    place = shelf.file_of(home, entry.candidate)
    status = place.stat()
    place.chmod(0o644)
    place.write_bytes(DATA[:-1] + b"x")
    os.utime(place, ns=(status.st_atime_ns, status.st_mtime_ns))
    bad = next(found for found in shelf.check_models(home) if not found.ok)
    assert bad.entry == entry and "changed" in bad.text and "staffroom models add" in bad.text
    place.unlink()
    assert "gone" in next(found.text for found in shelf.check_models(home) if not found.ok)


def test_a_lost_link_is_made_again(home: Path, stick: Path) -> None:
    entry = shelf.add_model(home, str(stick), quiet)
    shutil.rmtree(home / "models")
    assert shelf.file_of(home, (shelf.add_model(home, str(stick), quiet)).candidate).is_file()
    (home / "models" / f"{DIGEST[7:]}.gguf").unlink()
    assert shelf.file_of(home, entry.candidate).read_bytes() == DATA
    (home / "models" / f"{DIGEST[7:]}.gguf").unlink()
    model_path(DIGEST).unlink()
    with pytest.raises(StaffroomError, match="is gone"):
        shelf.file_of(home, entry.candidate)


def test_without_hard_links_a_symbolic_link_or_a_copy_does(
    home: Path, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no(*_: object, **__: object) -> None:
        raise OSError(1, "not permitted")

    monkeypatch.setattr(os, "link", no)
    place = shelf.file_of(home, shelf.add_model(home, str(stick), quiet).candidate)
    assert place.is_symlink() and place.read_bytes() == DATA
    place.unlink()
    monkeypatch.setattr(Path, "symlink_to", no)
    place = shelf.file_of(home, shelf.add_model(home, str(stick), quiet).candidate)
    assert not place.is_symlink() and not place.samefile(model_path(DIGEST)) and place.read_bytes() == DATA


def test_a_job_does_not_read_an_unchanged_file_again(
    home: Path, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidate = shelf.resolve_candidate(home, str(stick), quiet)
    monkeypatch.setattr(shelf, "_copy", None)
    assert shelf.resolve_candidate(home, str(stick), quiet) == candidate
    assert shelf.resolve_candidate(home, "tiny-model", quiet) == candidate


def test_a_broken_record_names_itself(home: Path) -> None:
    (home / "models").mkdir(parents=True)
    (home / "models" / "x.json").write_text("{}")
    with pytest.raises(StaffroomError, match=r"x\.json: this record of a model cannot be read"):
        shelf.list_models(home)


def test_the_network_is_not_used_offline(home: Path) -> None:
    for reference in ("https://models.town.invalid/x.gguf", "owner/repository@v1:x.gguf"):
        with pytest.raises(StaffroomError, match="STAFFROOM_OFFLINE is set"):
            shelf.add_model(home, reference, quiet)


def test_references_are_told_apart(stick: Path) -> None:
    digest = "a" * 64
    assert parse_reference(str(stick)).kind == "path"
    hub = parse_reference(f"owner/repo.x@main:sub/x.gguf#sha256={digest}")
    assert hub.hub is not None and str(hub.hub) == "owner/repo.x@main:sub/x.gguf"
    assert hub.digest == f"sha256:{digest}"
    assert parse_reference("owner/repo:x.gguf").hub == replace(
        hub.hub, revision="main", file="x.gguf", repository="owner/repo"
    )
    assert parse_reference(f"https://a.invalid/x.gguf#sha256={digest}").digest == f"sha256:{digest}"
    assert parse_reference("http://127.0.0.1:1/v1/").kind == "server"
    for wrong in (
        "absent.gguf",
        "https://a.invalid/x.gguf#sha256=12",
        "server:ftp://x/v1",
        "http://u:p@a.invalid/v1",
    ):
        with pytest.raises(WrongUse, match="hint: staffroom models add"):
            parse_reference(wrong)


@given(st.text(max_size=60))
def test_any_text_is_a_reference_or_wrong_use(text: str) -> None:
    try:
        parse_reference(text)
    except WrongUse as error:
        assert error.exit_code == 2
