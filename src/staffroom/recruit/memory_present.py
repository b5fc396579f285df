"""How much memory a model may take on this machine now: what the kernel has available and what its groups allow."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

__all__ = ["MemoryPresent", "memory_present"]

_UNLIMITED = 1 << 60


@dataclass(frozen=True, slots=True)
class MemoryPresent:
    """Bytes available and which limit says so, in words."""

    bytes: int
    reason: str


def memory_present(root: Path = Path("/")) -> MemoryPresent:
    """Return the least of the kernel's MemAvailable and what is left under each control group, version 1 or 2.

    File pages that a group can give back count as left. `root` stands for the file system's root.
    """
    found = [*_available(root), *_groups(root)]
    if not found:
        return MemoryPresent(0, "this system does not say how much memory is available")
    return min(found, key=lambda present: present.bytes)


def _available(root: Path) -> Iterator[MemoryPresent]:
    for line in _read(root / "proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemAvailable" and rest.split()[:1] and rest.split()[0].isdigit():
            yield MemoryPresent(int(rest.split()[0]) * 1024, "MemAvailable of the machine")


def _groups(root: Path) -> Iterator[MemoryPresent]:
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0" and not controllers:
            yield from _climb(mount, path, "memory.max", "memory.current", "inactive_file", "version 2")
        elif "memory" in controllers.split(","):
            names = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
            yield from _climb(mount / "memory", path, *names, "version 1")


def _climb(
    mount: Path, path: str, limit_name: str, usage_name: str, inactive_name: str, version: str
) -> Iterator[MemoryPresent]:
    group = mount / path.strip("/")
    while True:
        limit = _number(_read(group / limit_name))
        if limit is not None and limit < _UNLIMITED:
            used = _number(_read(group / usage_name)) or 0
            inactive = 0
            for line in _read(group / "memory.stat").splitlines():
                name, _, value = line.partition(" ")
                if name == inactive_name:
                    inactive = _number(value) or 0
            left = max(0, limit - max(0, used - inactive))
            yield MemoryPresent(left, f"the limit of the control group ({version})")
        if group == mount or mount not in group.parents:
            return
        group = group.parent


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
