"""The model files of one home: by digest, each with a record of where it came from.

`$STAFFROOM_HOME/models/<hex>.gguf` is a link into the machine-wide folder (hard, else symbolic, else a copy) and
`<hex>.json` its record; a server is a record alone, `endpoint-<hex>.json`. A file enters in this order:

1. its first bytes and header are looked at where it is, so that a pickle of many gigabytes is refused at once;
2. it is copied or fetched under a passing name while its SHA-256 is taken, and the header of that copy is read again;
3. a digest that was given must be the one found; a digest of the catalogue brings the catalogue's facts;
4. it gets its name by digest, a link in the home, and last its record: without a record it is not on the shelf.
"""

import contextlib
import difflib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

from staffroom.gguf import BadModelFile, GgufHeader, read_header
from staffroom.records.digests import digest_file, digest_value
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.models import Candidate, ModelFile
from staffroom.recruit.cache import cache_folder, lock, model_path, remember, require_space, verified
from staffroom.recruit.catalogue import load_catalogue, starter_by_digest, starter_named
from staffroom.recruit.download import ChannelError, Web, download, shown
from staffroom.recruit.fetch import FetchProgress, fetch_hub_file, fetch_starter, offline
from staffroom.recruit.formats import require_gguf
from staffroom.recruit.licenses import license_named
from staffroom.recruit.references import Reference, parse_reference

__all__ = [
    "Checked",
    "ShelfEntry",
    "add_model",
    "check_models",
    "file_of",
    "find_model",
    "get_starter",
    "list_models",
    "resolve_candidate",
]

_BLOCK_BYTES: Final = 1 << 20
_ADD_HINT: Final = "staffroom models add PATH, an address, owner/repository:file or server:URL#model"


@dataclass(frozen=True, slots=True)
class ShelfEntry:
    """One model of a home: the candidate, how its digest was checked, and when it came (UTC, ISO 8601).

    `checked_against` is `catalogue`, `given digest` or `nothing` (the digest was computed here and vouches only that
    the file is still the same); a server has `endpoint`.
    """

    candidate: Candidate
    checked_against: str
    added_at: str

    @property
    def id(self) -> str:
        """The name by which a job or a command asks for it."""
        return self.candidate.id

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON data."""
        return {
            **self.candidate.as_json(),
            "checked_against": self.checked_against,
            "added_at": self.added_at,
        }


@dataclass(frozen=True, slots=True)
class Checked:
    """What `check_models` found of one model: whether all is well, and a sentence."""

    entry: ShelfEntry
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class _Said:
    """What the person who adds a file says of it."""

    name: str
    license: str
    maker: str


def get_starter(home: Path, starter: str, progress: FetchProgress, *, web: Web | None = None) -> ShelfEntry:
    """Put a starter model on the shelf, fetching it if this machine does not have it."""
    wanted = starter_named(starter)
    fetched = fetch_starter(wanted, progress, web=web)
    return _shelve(home, fetched.path, wanted.digest, fetched.channel, _Said("", "", ""), "catalogue")


def add_model(
    home: Path,
    reference: str,
    progress: FetchProgress,
    *,
    name: str = "",
    license: str = "",
    maker: str = "",
    web: Web | None = None,
) -> ShelfEntry:
    """Put a file, the file at an address or on a hub, or a server on the shelf.

    `license` and `maker` are the word of whoever adds it; the catalogue's facts take precedence. Raises `WrongUse` for
    a wrong reference, `BadModelFile` for a file that is no sound GGUF, `StaffroomError` where it cannot be had.
    """
    wanted = parse_reference(reference)
    said = _Said(name, license, maker)
    if wanted.kind == "server":
        return _shelve_endpoint(home, wanted, name)
    if wanted.path is not None:
        entry = _add_path(home, wanted.path, progress, said)
    elif wanted.digest and verified(model_path(wanted.digest), wanted.digest):
        source = _where(wanted)
        entry = _shelve(home, model_path(wanted.digest), wanted.digest, source, said, "given digest")
    else:
        entry = _add_fetched(home, wanted, progress, said, web or Web())
    _note_source(home, wanted, entry)
    return entry


def resolve_candidate(home: Path, text: str, progress: FetchProgress) -> Candidate:
    """Return the candidate a job names: something on the shelf, a starter, a file, an address or a server.

    A file that did not change and an address are not read or fetched again once they are on the shelf.
    """
    with contextlib.suppress(_NotFound):
        if "://" not in text:
            return find_model(home, text).candidate
    if any(starter.id == text for starter in load_catalogue()):
        return get_starter(home, text, progress).candidate
    known = _from_known_source(home, parse_reference(text))
    return known.candidate if known else add_model(home, text, progress).candidate


def list_models(home: Path) -> tuple[ShelfEntry, ...]:
    """Return all models of a home by id."""
    return tuple(sorted(_records(home), key=lambda entry: entry.id))


def find_model(home: Path, name_or_digest: str) -> ShelfEntry:
    """Return a model by id, name, digest or at least eight digits of it; none or several is `WrongUse`."""
    entries = list_models(home)
    wanted = name_or_digest.casefold()
    digits = wanted.removeprefix("sha256:")
    exact = [entry for entry in entries if entry.id.casefold() == wanted]
    if not exact:
        exact = [entry for entry in entries if _is_called(entry.candidate, wanted, digits)]
    if len(exact) == 1:
        return exact[0]
    names = [entry.id for entry in exact or entries]
    if exact:
        raise WrongUse(
            f"{name_or_digest!r} may be {', '.join(names)}", hint="name one by its id: staffroom models list"
        )
    near = difflib.get_close_matches(
        name_or_digest, [*names, *(s.id for s in load_catalogue())], n=1, cutoff=0.5
    )
    meant = f"; did you mean {near[0]}?" if near else ""
    raise _NotFound(f"there is no model {name_or_digest!r} on the shelf{meant}", hint="staffroom models list")


def file_of(home: Path, candidate: Candidate) -> Path:
    """Return the file of a candidate in this home, linking it again from the machine-wide folder if the link is gone."""
    if candidate.model is None:
        raise WrongUse(f"{candidate.id} is a server: it has no file here", hint="staffroom models list")
    place = _folder(home) / f"{candidate.model.hex}.gguf"
    if not place.is_file():
        cached = model_path(candidate.model.digest)
        if not verified(cached, candidate.model.digest):
            raise StaffroomError(
                f"the file of {candidate.id} is gone", where=str(place), hint=_again_hint(candidate)
            )
        _link(cached, place, candidate.model.digest)
    return place


def check_models(home: Path) -> Iterator[Checked]:
    """Yield, for each model of a home, whether its file is there, has its digest (always hashed) and a sound header."""
    for entry in list_models(home):
        model = entry.candidate.model
        if model is None:
            yield Checked(entry, True, "a server: its weights cannot be checked")
            continue
        place = _folder(home) / f"{model.hex}.gguf"
        if not place.is_file():
            yield Checked(entry, False, f"the file is gone; run: {_again_hint(entry.candidate)}")
        elif not verified(place, model.digest, expected_bytes=model.bytes, again=True):
            yield Checked(
                entry, False, f"the file was changed; delete {place} and run: {_again_hint(entry.candidate)}"
            )
        else:
            try:
                read_header(place)
            except BadModelFile as error:
                yield Checked(entry, False, f"the header is not in order: {error.message}")
            else:
                yield Checked(entry, True, "SHA-256 and header are right")


class _NotFound(WrongUse):
    """No such model on the shelf."""


def _add_path(home: Path, path: Path, progress: FetchProgress, said: _Said) -> ShelfEntry:
    require_gguf(path)
    read_header(path)
    folder = cache_folder()
    require_space(folder, path.stat().st_size)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="incoming-", delete=False) as target:
        staged = Path(target.name)
        try:
            return _take_in(home, staged, _copy(path, target, progress), None, f"file {path.name}", said)
        finally:
            staged.unlink(missing_ok=True)


def _add_fetched(home: Path, wanted: Reference, progress: FetchProgress, said: _Said, web: Web) -> ShelfEntry:
    where = _where(wanted)
    pinned = wanted.digest is not None
    folder = cache_folder()
    staged = folder / f"incoming-{hashlib.sha256(f'{where} {wanted.digest}'.encode()).hexdigest()[:24]}"

    def waiting() -> None:
        progress(0, 0, "another process is fetching this file: waiting for it")

    with lock(folder, staged.name, waiting):
        try:
            if wanted.hub:
                fetch_hub_file(wanted.hub, staged, progress, web, pinned=pinned)
            elif offline():
                raise ChannelError(f"{where}: not asked, because STAFFROOM_OFFLINE is set")
            else:
                web.reach(wanted.url)
                download(
                    wanted.url, staged, web, lambda done, whole: progress(done, whole, where), pinned=pinned
                )
        except ChannelError as error:
            hint = "carry the file in and run: staffroom models add /path/to/file.gguf"
            raise StaffroomError(error.message, hint=hint) from error
        progress(0, 0, "taking the SHA-256")
        return _take_in(home, staged, digest_file(staged), wanted.digest, where, said)


def _where(wanted: Reference) -> str:
    return f"hub, {wanted.hub}" if wanted.hub else f"address {shown(wanted.url)}"


def _copy(path: Path, target: IO[bytes], progress: FetchProgress) -> str:
    whole, done = path.stat().st_size, 0
    sha = hashlib.sha256()
    try:
        with path.open("rb") as source:
            while block := source.read(_BLOCK_BYTES):
                sha.update(block)
                target.write(block)
                done += len(block)
                progress(done, whole, f"copying {path.name}")
        target.flush()
        os.fsync(target.fileno())
    except OSError as error:
        text = f"cannot be copied: {error.strerror or error}"
        raise StaffroomError(text, where=str(path), hint="staffroom models add PATH") from error
    return "sha256:" + sha.hexdigest()


def _source_key(wanted: Reference) -> str:
    if wanted.path is None:
        return f"{_where(wanted)} {wanted.digest}"
    status = wanted.path.stat()
    return f"{wanted.path.resolve()} {status.st_size} {status.st_mtime_ns} {status.st_ino}"


def _note_source(home: Path, wanted: Reference, entry: ShelfEntry) -> None:
    place = _folder(home) / "sources.memo"
    noted = {**_sources(home), _source_key(wanted): entry.id}
    temporary = place.with_name(f"{place.name}.{os.getpid()}")
    temporary.write_text(json.dumps(noted), encoding="utf-8")
    temporary.replace(place)


def _from_known_source(home: Path, wanted: Reference) -> ShelfEntry | None:
    id_ = None if wanted.kind == "server" else _sources(home).get(_source_key(wanted))
    return next((entry for entry in list_models(home) if entry.id == id_), None)


def _sources(home: Path) -> dict[str, str]:
    try:
        noted = json.loads((_folder(home) / "sources.memo").read_bytes())
    except (OSError, ValueError):
        return {}
    return {str(key): str(value) for key, value in noted.items()} if isinstance(noted, dict) else {}


def _take_in(
    home: Path, staged: Path, digest: str, expected: str | None, source: str, said: _Said
) -> ShelfEntry:
    try:
        if expected is not None and digest != expected:
            text = f"the file has the SHA-256 {digest.removeprefix('sha256:')}, not the one given: refused and removed"
            raise StaffroomError(text, where=source, hint=_ADD_HINT)
        require_gguf(staged)
        read_header(staged)
        target = model_path(digest)
        with lock(target.parent, target.stem, lambda: None):
            if not verified(target, digest):
                staged.chmod(0o444)
                staged.replace(target)
                remember(target, digest)
    except BadModelFile as error:
        raise BadModelFile(error.message, offset=error.offset, name=source, hint=error.hint) from error
    finally:
        staged.unlink(missing_ok=True)
    return _shelve(home, target, digest, source, said, "nothing" if expected is None else "given digest")


def _shelve(
    home: Path, path: Path, digest: str, source: str, said: _Said, checked_against: str
) -> ShelfEntry:
    header = read_header(path)
    starter = starter_by_digest(digest)
    place = _folder(home) / f"{digest.removeprefix('sha256:')}.json"
    if starter:
        checked_against, id_ = "catalogue", starter.id
        model = ModelFile(digest, starter.name, starter.bytes, starter.license, starter.maker, source)
    else:
        name = said.name or header.name or Path(source).stem
        license_ = license_named(said.license or header.license).name
        maker = said.maker or _organisation(header)
        model = ModelFile(digest, name, header.file_bytes, license_, maker, source)
        stem = Path(source.rpartition("/")[2].removeprefix("file ")).stem
        id_ = _free_id(home, place, said.name or stem, model.hex)
    _link(path, place.with_suffix(".gguf"), digest)
    return _write(place, ShelfEntry(Candidate(id_, "file", model=model), checked_against, _now()))


def _shelve_endpoint(home: Path, wanted: Reference, name: str) -> ShelfEntry:
    key = digest_value({"url": wanted.url, "model": wanted.model}).removeprefix("sha256:")
    place = _folder(home) / f"endpoint-{key[:16]}.json"
    id_ = _free_id(home, place, name or wanted.model or re.sub(r"^https?://", "", wanted.url), key)
    candidate = Candidate(id_, "endpoint", endpoint=wanted.url, endpoint_model=wanted.model)
    return _write(place, ShelfEntry(candidate, "endpoint", _now()))


def _write(place: Path, entry: ShelfEntry) -> ShelfEntry:
    if place.exists():
        earlier = _read(place)
        entry = replace(entry, added_at=earlier.added_at)
        if entry.candidate.model and earlier.candidate.model:
            # The first source stays on record: adding the same bytes again does not change where they came from.
            model = replace(entry.candidate.model, source=earlier.candidate.model.source)
            entry = replace(entry, candidate=replace(entry.candidate, model=model))
            if earlier.checked_against != "nothing":
                entry = replace(entry, checked_against=earlier.checked_against)
    temporary = place.with_name(f"{place.name}.{os.getpid()}")
    temporary.write_text(json.dumps(entry.as_json(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    temporary.replace(place)
    return entry


def _link(source: Path, place: Path, digest: str) -> None:
    if place.exists() and (place.samefile(source) or verified(place, digest)):
        remember(place, digest)
        return
    temporary = place.with_name(f"{place.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    try:
        os.link(source, temporary)
    except OSError:
        try:
            temporary.symlink_to(source)
        except OSError:
            require_space(place.parent, source.stat().st_size)
            shutil.copyfile(source, temporary)
    temporary.replace(place)
    if place.samefile(source):
        remember(place, digest)


def _records(home: Path) -> Iterator[ShelfEntry]:
    for place in sorted(_folder(home).glob("*.json")):
        yield _read(place)


def _read(place: Path) -> ShelfEntry:
    try:
        data = json.loads(place.read_bytes())
        return ShelfEntry(Candidate.from_json(data), data["checked_against"], data["added_at"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"this record of a model cannot be read: {error}"
        raise StaffroomError(text, where=str(place), hint=f"rm {place} and add the model again") from error


def _folder(home: Path) -> Path:
    folder = home / "models"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _free_id(home: Path, place: Path, wanted: str, key: str) -> str:
    """Return the id of the record at `place`, else a new one: ids are in jobs, so they stay as they are."""
    if place.exists():
        return _read(place).id
    slug = re.sub(r"[^a-z0-9._-]+", "-", wanted.casefold()).strip("-.") or "model"
    taken = {entry.id for entry in _records(home)} | {starter.id for starter in load_catalogue()}
    return f"{slug}-{key[:8]}" if slug in taken else slug


def _is_called(candidate: Candidate, wanted: str, digits: str) -> bool:
    model = candidate.model
    if model is None:
        return wanted in ((candidate.endpoint or "").casefold(), (candidate.endpoint_model or "").casefold())
    return wanted == model.name.casefold() or (len(digits) >= 8 and model.hex.startswith(digits))


def _organisation(header: GgufHeader) -> str:
    value = header.metadata.get("general.organization")
    return value if isinstance(value, str) else ""


def _again_hint(candidate: Candidate) -> str:
    starter = starter_by_digest(candidate.model.digest) if candidate.model else None
    return f"staffroom models get {starter.id}" if starter else "staffroom models add PATH"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
