"""The life of the llama.cpp child process as its parent sees it: start, readiness, end, and what it said last."""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffroom.engine.errors import EngineStartError

__all__ = ["LlamaProcess", "physical_cores", "start_llama_process"]

_CHILD = Path(__file__).with_name("llama_child.py")
_FOLDER = "staffroom-engine-"
_TAIL_BYTES = 4096
_TAIL_LINES = 12
_STOP_SECONDS = 2.0


@dataclass(slots=True)
class LlamaProcess:
    """A running child: its socket, its key, and facts about its build."""

    process: asyncio.subprocess.Process
    folder: Path
    key: str
    facts: Mapping[str, str]
    log_path: Path

    @property
    def socket(self) -> Path:
        """Path of the Unix socket it serves on."""
        return self.folder / "engine.sock"

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        """Whether the child has not ended."""
        return self.process.returncode is None

    async def ended(self, seconds: float) -> bool:
        """Wait up to `seconds` for the child to end; return whether it has."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.process.wait(), seconds)
        return not self.alive

    async def stop(self) -> None:
        """End the child and remove its socket folder; idempotent."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
            if not await self.ended(_STOP_SECONDS):
                with contextlib.suppress(ProcessLookupError):
                    self.process.kill()
                await self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        shutil.rmtree(self.folder, ignore_errors=True)


async def start_llama_process(
    settings: Mapping[str, Any], log_path: Path | None, *, seconds: float
) -> LlamaProcess:
    """Start the child with `settings` and wait until it serves.

    `log_path` receives all it says (a file in the socket's folder when None). Raises EngineStartError when it
    does not serve within `seconds`, with the last lines of its log.
    """
    _remove_left_behind()
    folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER}{os.getpid()}-"))
    key = secrets.token_urlsafe(32)
    log = log_path if log_path is not None else folder / "engine.log"
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-P",
                str(_CHILD),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=descriptor,
                # Ctrl-C on the terminal must reach the parent first, which then ends the child in order.
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise EngineStartError(f"the engine process cannot be started ({error})") from error
    child = LlamaProcess(process, folder, key, {}, log)
    try:
        child.facts = await _until_ready(child, settings, seconds)
    except BaseException:
        await child.stop()
        raise
    return child


def _remove_left_behind() -> None:
    """Remove socket folders of parents that were killed before they could."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER}*"):
        owner = folder.name.removeprefix(_FOLDER).partition("-")[0]
        try:
            ours = folder.lstat().st_uid == os.getuid()
            if ours and owner.isdecimal() and not _runs(int(owner)):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            continue


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def physical_cores() -> int:
    """Return the number of physical cores this process may use (affinity and cgroup quota), at least 1."""
    if not hasattr(os, "sched_getaffinity"):
        return max(1, os.cpu_count() or 1)
    usable = os.sched_getaffinity(0)
    cores = {_core_of(cpu) for cpu in usable}
    return max(1, min(len(cores), _quota(len(usable))))


async def _until_ready(child: LlamaProcess, settings: Mapping[str, Any], seconds: float) -> dict[str, str]:
    line = json.dumps(
        {
            **settings,
            "socket": str(child.socket),
            # llama.cpp puts a file's name right behind this.
            "states": f"{child.folder}{os.sep}",
            "key": child.key,
            "parent": os.getpid(),
        }
    ).encode()
    stdin, stdout = child.process.stdin, child.process.stdout
    if stdin is None or stdout is None:
        raise EngineStartError("the engine process has no pipes")
    try:
        stdin.write(line + b"\n")
        await stdin.drain()
        answer = await asyncio.wait_for(stdout.readline(), seconds)
    except TimeoutError as error:
        raise _start_error(child, f"the model was not loaded within {seconds:.0f} s") from error
    except ConnectionError as error:
        raise _start_error(child, "the engine process ended at once") from error
    if not answer:
        await child.ended(_STOP_SECONDS)
        raise _start_error(
            child, f"the engine process ended while loading (status {child.process.returncode})"
        )
    report = json.loads(answer)
    if "error" in report:
        raise _start_error(child, str(report["error"]), kind=str(report.get("kind", "")))
    return {name: str(value) for name, value in report.items() if name != "ready"}


def _start_error(child: LlamaProcess, message: str, *, kind: str = "") -> EngineStartError:
    tail = _log_tail(child.log_path)
    text = f"{message}\n{tail}" if tail else message
    if "libgomp" in text:
        hint = "llama.cpp needs the system's OpenMP library: apt-get install libgomp1"
    elif kind == "import":
        hint = "reinstall the package xllamacpp for this Python"
    else:
        hint = "check the file with: staffroom models check"
    return EngineStartError(text, hint=hint)


def _log_tail(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            stream.seek(0, os.SEEK_END)
            stream.seek(max(0, stream.tell() - _TAIL_BYTES))
            lines = stream.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return "\n".join(f"  | {line}" for line in lines[-_TAIL_LINES:])


def _core_of(cpu: int) -> tuple[str, str]:
    folder = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology")
    try:
        return (folder / "physical_package_id").read_text(), (folder / "core_id").read_text()
    except OSError:
        return "?", str(cpu)


def _quota(default: int) -> int:
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return default if quota == "max" else max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return default
