"""The machine-wide folder of model files, named by digest, and the memory of what was already hashed.

`${XDG_CACHE_HOME:-~/.cache}/staffroom/models/<hex>.gguf`. Beside a file lies `<hex>.verified`: the size, change time
and inode at which its SHA-256 was found right, so that a gigabyte is not hashed at each run. The memo saves time; it
protects from nothing: who can write into the folder can write the memo. `models check` hashes always.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from staffroom.records.digests import digest_file
from staffroom.records.errors import StaffroomError

__all__ = ["cache_folder", "forget", "lock", "model_path", "remember", "require_space", "verified"]

_MARGIN_BYTES = 64 << 20


def cache_folder() -> Path:
    """Return the machine-wide models folder, made if need be."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    root = Path(base) if Path(base).is_absolute() else Path.home() / ".cache"
    folder = root / "staffroom" / "models"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StaffroomError(
            f"the folder for model files cannot be made: {error.strerror or error}",
            where=str(folder),
            hint="name a folder you may write to: export XDG_CACHE_HOME=/path/with/space",
        ) from error
    return folder


def model_path(digest: str) -> Path:
    """Return the place of the file with this digest in the machine-wide folder, there or not."""
    return cache_folder() / f"{digest.removeprefix('sha256:')}.gguf"


def verified(path: Path, digest: str, *, expected_bytes: int | None = None, again: bool = False) -> bool:
    """Return whether a file is there and has this digest, hashing it only if it changed since it was last hashed.

    `expected_bytes` refuses a file of another size unread; `again` hashes in any case.
    """
    try:
        state = _state(path)
    except OSError:
        return False
    if expected_bytes is not None and state["bytes"] != expected_bytes:
        return False
    if not again and _memo(path) == {**state, "digest": digest}:
        return True
    try:
        right = digest_file(path) == digest
    except OSError:
        right = False
    if not right:
        forget(path)
        return False
    remember(path, digest)
    return True


def remember(path: Path, digest: str) -> None:
    """Note that the file as it is now has this digest; where that cannot be written, nothing is noted."""
    memo = path.with_suffix(".verified")
    temporary = memo.with_name(f"{memo.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        temporary.write_text(json.dumps({**_state(path), "digest": digest}), encoding="utf-8")
        temporary.replace(memo)


def forget(path: Path) -> None:
    """Take the note away."""
    with contextlib.suppress(OSError):
        path.with_suffix(".verified").unlink()


@contextlib.contextmanager
def lock(folder: Path, name: str, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of this name in a folder; `waiting` is called once if another process holds it.

    The kernel gives it back when the process ends, however it ends; the small file stays.
    """
    with contextlib.ExitStack() as held:
        try:
            stream = held.enter_context((folder / f"{name}.lock").open("a"))
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(stream, fcntl.LOCK_EX)
        except OSError as error:
            raise StaffroomError(
                f"this folder for model files cannot be written: {error.strerror or error}",
                where=str(folder),
                hint="name a folder you may write to: export XDG_CACHE_HOME=/path/with/space",
            ) from error
        yield


def require_space(folder: Path, needed_bytes: int) -> None:
    """Refuse before anything is fetched if the disk cannot take `needed_bytes` and a little more."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes + _MARGIN_BYTES:
        raise StaffroomError(
            f"not enough disk space: {_mib(needed_bytes + _MARGIN_BYTES)} MiB are needed, {_mib(free)} MiB are free",
            where=str(folder),
            hint="free some space, or name a folder on a larger disk: export XDG_CACHE_HOME=/path/with/space",
        )


def _state(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "inode": status.st_ino}


def _memo(path: Path) -> object:
    try:
        return json.loads(path.with_suffix(".verified").read_bytes())
    except (OSError, ValueError):
        return None


def _mib(count: int) -> int:
    return -(-count // (1 << 20))
