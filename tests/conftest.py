"""No test talks to the outside: an audit hook, which Python code cannot take off again, refuses it.

What a test may reach follows from its folder: `tests/e2e` anything, `tests/integration` and `tests/conformance` this
machine's loopback, all others Unix sockets only. An attempt to reach beyond fails the test even where the code under test
swallowed the refusal. Not seen by it: child processes, and libraries that open sockets in C without Python's (uvloop, llama.cpp).
"""

import ipaddress
import socket
import sys
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


class Reach(Enum):
    """How far a test may reach."""

    UNIX = "Unix sockets only"
    LOOPBACK = "this machine's loopback only"
    ANY = "anything"


class NetworkRefused(RuntimeError):
    """A test tried to reach further than its folder allows."""


class NetworkGuard:
    """The hook and its state: `reach` now, and the `attempts` beyond it since the test began."""

    def __init__(self) -> None:
        self.reach = Reach.ANY
        self.attempts: list[str] = []

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Judge one audit event of the socket module."""
        if self.reach is Reach.ANY or not event.startswith("socket."):
            return
        if event == "socket.__new__" and self.reach is Reach.UNIX and args[1] not in (socket.AF_UNIX, -1):
            self._refuse(f"socket(family={args[1]})", counted=False)
        elif event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            sock, address = args
            if sock.family != socket.AF_UNIX and address is not None:
                self._judge(event, address[0])
        elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"):
            self._judge(event, args[0], resolving=True)

    def _judge(self, event: str, host: object, *, resolving: bool = False) -> None:
        # Resolving an address that is a number already asks nobody.
        if self.reach is Reach.UNIX or not (_is_loopback(host) or (resolving and _is_number(host))):
            self._refuse(f"{event} to {host!r}", counted=True)

    def _refuse(self, what: str, *, counted: bool) -> None:
        if counted:
            self.attempts.append(what)
        raise NetworkRefused(
            f"{what} refused: this test may reach {self.reach.value}\n"
            "hint: use the fake engine or a Unix socket, or move the test to tests/integration (loopback)"
        )


def _is_loopback(host: object) -> bool:
    if isinstance(host, bytes):
        host = host.decode("ascii", "replace")
    if host in (None, "", "localhost"):
        return True
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def _is_number(host: object) -> bool:
    try:
        ipaddress.ip_address(host.decode("ascii", "replace") if isinstance(host, bytes) else str(host))
    except ValueError:
        return False
    return True


def _reach_of(path: Path) -> Reach:
    folder = path.relative_to(HERE).parts[0] if path.is_relative_to(HERE) else ""
    return {"e2e": Reach.ANY, "integration": Reach.LOOPBACK, "conformance": Reach.LOOPBACK}.get(
        folder, Reach.UNIX
    )


_GUARD = NetworkGuard()
sys.addaudithook(_GUARD)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Set how far the test and its fixtures may reach."""
    _GUARD.reach = _reach_of(item.path)
    _GUARD.attempts.clear()
    try:
        return (yield)
    finally:
        _GUARD.reach = Reach.ANY


@pytest.fixture(autouse=True)
def network_guard() -> Iterator[NetworkGuard]:
    """The guard; at the end of the test it fails for attempts that were refused and swallowed."""
    yield _GUARD
    if _GUARD.attempts:
        pytest.fail(f"the test tried to reach further than {_GUARD.reach.value}: {_GUARD.attempts}")
