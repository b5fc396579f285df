"""The network guard itself: what it refuses, what it lets through, and that it cannot be swallowed."""

import asyncio
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = Path(__file__).parents[2] / "conftest.py"
NOWHERE = "192.0.2.1"  # documentation address, RFC 5737

SAMPLE = {
    "unit/test_new.py": """
import socket
def test_new(): socket.socket(socket.AF_INET, socket.SOCK_STREAM)
""",
    "unit/test_swallowed.py": """
import socket
def test_swallowed():
    try: socket.getaddrinfo("example.org", 80)
    except Exception: pass
""",
    "unit/test_fixture.py": """
import pytest, socket
@pytest.fixture(scope="session")
def eager(): return socket.create_connection(("127.0.0.1", 9))
def test_fixture(eager): pass
""",
    "integration/test_loopback.py": """
import http.client, http.server, threading
def test_loopback():
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.handle_request).start()
        client = http.client.HTTPConnection("localhost", server.server_port, timeout=5)
        client.request("GET", "/")
        assert client.getresponse().status == 501
        client.close()
""",
    "integration/test_outside.py": """
import socket
def test_outside():
    with socket.socket() as s: s.connect(("192.0.2.1", 80))
""",
    "integration/test_datagram.py": """
import socket
def test_datagram():
    with socket.socket(type=socket.SOCK_DGRAM) as s: s.sendto(b"x", ("192.0.2.1", 53))
""",
    "integration/test_name.py": """
import asyncio
def test_name(): asyncio.run(asyncio.open_connection("example.org", 80))
""",
}


def test_unit_test_cannot_open_an_internet_socket() -> None:
    for family in (socket.AF_INET, socket.AF_INET6):
        with pytest.raises(RuntimeError, match=r"Unix sockets only(.|\n)*hint: "):
            socket.socket(family)


def test_attempts_are_counted(network_guard: object) -> None:
    with pytest.raises(RuntimeError, match="getaddrinfo"):
        socket.getaddrinfo(NOWHERE, 80)
    attempts = network_guard.attempts  # type: ignore[attr-defined]
    assert attempts == [f"socket.getaddrinfo to '{NOWHERE}'"]
    attempts.clear()


def test_event_loops_and_unix_sockets_work(tmp_path: Path) -> None:
    path = tmp_path / "s"

    async def talk() -> bytes:
        async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello\n")
            writer.close()

        server = await asyncio.start_unix_server(greet, path)
        reader, writer = await asyncio.open_unix_connection(path)
        line = await reader.readline()
        writer.close()
        server.close()
        await server.wait_closed()
        return line

    assert asyncio.run(talk()) == b"hello\n"


def test_verdict_by_folder(tmp_path: Path) -> None:
    """The guard as it stands, in a run of its own."""
    shutil.copy(CONFTEST, tmp_path / "conftest.py")
    for name, text in SAMPLE.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-rA", "--tb=line", "-p", "no:cacheprovider", "--rootdir=."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    lines = {line.split(" - ")[0] for line in run.stdout.splitlines()}
    assert "PASSED integration/test_loopback.py::test_loopback" in lines, run.stdout
    for test in (
        "integration/test_outside",
        "integration/test_datagram",
        "integration/test_name",
        "unit/test_new",
    ):
        assert f"FAILED {test}.py::{test.split('/')[1]}" in lines, run.stdout
    assert "ERROR unit/test_swallowed.py::test_swallowed" in lines, run.stdout
    assert "ERROR unit/test_fixture.py::test_fixture" in lines, run.stdout
    assert run.stdout.count("NetworkRefused: ") >= 4
