"""Content-addressed artifacts: `objects/sha256/ab/<hex>`, written once, verified whenever they are read."""

import hashlib
import os
import re
import secrets
import time
from pathlib import Path
from typing import Any

import orjson

from staffroom.records.digests import canonical_json, digest_bytes
from staffroom.records.errors import StaffroomError
from staffroom.store.durable import disk_error, make_folder, sync_folder, write_all

__all__ = ["DamagedObject", "MissingObject", "ObjectStore"]

_DIGEST = re.compile(r"^sha256:([0-9a-f]{64})$")
_BLOCK_BYTES = 1 << 20
_LEFTOVER_SECONDS = 86_400.0


class MissingObject(StaffroomError):
    """No artifact of this digest is kept here."""


class DamagedObject(StaffroomError):
    """The bytes on disk are not those that the digest names."""


class ObjectStore:
    """Artifacts of one home by digest; safe from any thread and process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, digest: str) -> Path:
        """Return where the artifact is or would be; raises StaffroomError for what is no digest."""
        match = _DIGEST.match(digest)
        if match is None:
            raise StaffroomError(
                f"not a digest: {digest[:80]!r}", hint="a digest is `sha256:` and 64 hexadecimal digits"
            )
        name = match.group(1)
        return self.folder / "sha256" / name[:2] / name

    def has(self, digest: str) -> bool:
        """Say whether the artifact is there (its content is verified when it is read)."""
        return self.path(digest).is_file()

    def put_bytes(self, data: bytes) -> str:
        """Keep the bytes durably and return their digest; what is already there is not written again."""
        digest = digest_bytes(data)
        target = self.path(digest)
        if _size(target) == len(data):
            return digest
        partial = self._partial()
        try:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
            try:
                write_all(handle, data)
                os.fsync(handle)
            finally:
                os.close(handle)
            _settle(partial, target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise disk_error(error, target) from error
        return digest

    def put_json(self, value: Any) -> str:
        """Keep a JSON value in its canonical form (RFC 8785) and return its digest."""
        return self.put_bytes(canonical_json(value))

    def put_file(self, source: Path) -> str:
        """Copy a file in, block by block, and return its digest."""
        partial = self._partial()
        sha = hashlib.sha256()
        try:
            handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o444)
            try:
                with source.open("rb") as stream:
                    while block := stream.read(_BLOCK_BYTES):
                        sha.update(block)
                        write_all(handle, block)
                os.fsync(handle)
                size = os.fstat(handle).st_size
            finally:
                os.close(handle)
            digest = "sha256:" + sha.hexdigest()
            target = self.path(digest)
            if _size(target) == size:
                partial.unlink()
            else:
                _settle(partial, target)
        except OSError as error:
            partial.unlink(missing_ok=True)
            raise disk_error(error, source) from error
        return digest

    def get(self, digest: str) -> bytes:
        """Return the artifact's bytes, verified; raises MissingObject or DamagedObject."""
        path = self.path(digest)
        try:
            data = path.read_bytes()
        except FileNotFoundError as error:
            raise _missing(digest) from error
        except OSError as error:
            raise disk_error(error, path) from error
        if digest_bytes(data) != digest:
            raise _damaged(path)
        return data

    def get_json(self, digest: str) -> Any:
        """Return the JSON value that `put_json` kept, verified."""
        return orjson.loads(self.get(digest))

    def verified_path(self, digest: str) -> Path:
        """Return the path of an artifact whose content was just verified, block by block."""
        path = self.path(digest)
        sha = hashlib.sha256()
        try:
            with path.open("rb") as stream:
                while block := stream.read(_BLOCK_BYTES):
                    sha.update(block)
        except FileNotFoundError as error:
            raise _missing(digest) from error
        except OSError as error:
            raise disk_error(error, path) from error
        if "sha256:" + sha.hexdigest() != digest:
            raise _damaged(path)
        return path

    def sweep(self) -> int:
        """Remove what killed writers left unfinished more than a day ago; returns how many files."""
        removed = 0
        for leftover in (self.folder / "partial").glob("*"):
            if time.time() - leftover.stat().st_mtime > _LEFTOVER_SECONDS:
                leftover.unlink(missing_ok=True)
                removed += 1
        return removed

    def _partial(self) -> Path:
        folder = self.folder / "partial"
        make_folder(folder)
        return folder / f"{os.getpid()}-{secrets.token_hex(8)}"


def _settle(partial: Path, target: Path) -> None:
    make_folder(target.parent)
    partial.replace(target)
    sync_folder(target.parent)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1


def _missing(digest: str) -> MissingObject:
    return MissingObject(
        f"{digest} is not kept here", hint="run the command that made it again; the step is then done anew"
    )


def _damaged(path: Path) -> DamagedObject:
    return DamagedObject(
        "the content is not what its name says (a damaged disk, or somebody changed it)",
        where=str(path),
        hint="move the file away and run the command that made it again",
    )
