"""Fetch one file over HTTP so that nothing already fetched is fetched again.

Bytes go to `<target>.part` as they come; beside it `<target>.part.json` keeps what identifies the version at the
server, so that a later attempt, after a crash or `kill -9` too, asks only for the rest and never joins two versions.
It must not know what the bytes are: digests are checked by whoever asked for the file.
"""

import base64
import contextlib
import http.client
import json
import os
import queue
import socket
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from staffroom.records.errors import StaffroomError

__all__ = ["ChannelError", "Fetched", "Web", "download", "shown"]

Progress = Callable[[int, int], None]

_BLOCK_BYTES = 1 << 18
_ATTEMPTS = 4
_READ_SECONDS = 30.0
_REACH_SECONDS = 4.0
_AGENT = "staffroom"
_AGAIN = frozenset({408, 429, 500, 502, 503, 504})


class ChannelError(StaffroomError):
    """One way to a file failed; another may work."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that arrived whole: its size and the response headers, names in lower case."""

    bytes: int
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Web:
    """How to speak to servers: certificates to trust besides the system's, seconds to wait for a first answer."""

    certificates: str | None = None
    reach_seconds: float = _REACH_SECONDS

    def open(self, url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        """Return the response to a GET; proxies come from the environment, passwords in the address are sent as such."""
        bare, authorization = _without_password(url)
        if urlsplit(bare).scheme not in ("http", "https"):
            raise ChannelError(f"{bare}: only http and https addresses are fetched")
        request = urllib.request.Request(bare, headers={"User-Agent": _AGENT, **headers})
        if authorization:
            request.add_unredirected_header("Authorization", authorization)
        context = ssl.create_default_context()
        if self.certificates:
            _trust(context, self.certificates)
        opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
        response: http.client.HTTPResponse = opener.open(request, timeout=_READ_SECONDS)
        return response

    def page(self, url: str, accept: str, most_bytes: int) -> tuple[str, str, bytes]:
        """Return a page's final address, content type and bytes, trying again a few times; else a `ChannelError`."""
        reason = ""
        for attempt in range(_ATTEMPTS):
            _pause(attempt)
            try:
                with self.open(url, {"Accept": accept}) as response:
                    content = response.read(most_bytes + 1)
                    if len(content) > most_bytes:
                        raise ChannelError(f"{shown(url)}: the page is longer than {most_bytes} bytes")
                    return response.url, response.headers.get_content_type(), content
            except urllib.error.HTTPError as error:
                error.close()
                reason = f"the server answers {error.code} {error.reason}"
                if error.code not in _AGAIN:
                    break
            except (OSError, http.client.HTTPException) as error:
                reason = _said(error)
        raise ChannelError(reason)

    def reach(self, url: str) -> None:
        """Raise a `ChannelError` that says why, within `reach_seconds`, if the host does not answer at all."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if urllib.request.getproxies().get(parts.scheme) and not urllib.request.proxy_bypass(host):
            return
        port = parts.port or (443 if parts.scheme == "https" else 80)
        outcome: queue.SimpleQueue[str] = queue.SimpleQueue()
        # Name resolution has no time limit of its own, so it runs where it can be left behind.
        threading.Thread(target=_knock, args=(host, port, self.reach_seconds, outcome), daemon=True).start()
        try:
            problem = outcome.get(timeout=self.reach_seconds)
        except queue.Empty:
            problem = f"no answer within {self.reach_seconds:g} seconds"
        if problem:
            raise ChannelError(f"{host} cannot be reached: {problem}")


def download(
    url: str,
    target: Path,
    web: Web,
    progress: Progress,
    *,
    expected_bytes: int | None = None,
    pinned: bool = False,
) -> Fetched:
    """Fetch `url` into `target`, going on from an earlier attempt.

    `expected_bytes` refuses a longer file as soon as it is one; `pinned` says that the caller knows the digest, so
    that a server which names no version may still be asked for the rest. `progress` gets bytes done and in all (0:
    not known). Network faults are tried again a few times; then, or where the server says no, a `ChannelError`.
    """
    part = target.with_name(target.name + ".part")
    reason = ""
    headers: dict[str, str] = {}
    for attempt in range(_ATTEMPTS):
        _pause(attempt)
        before = _size(part)
        try:
            if before == 0 or before != expected_bytes:
                headers = _attempt(url, part, web, progress, expected_bytes, pinned)
        except urllib.error.HTTPError as error:
            error.close()
            reason = f"the server answers {error.code} {error.reason}"
            if error.code == 416 and before and error.headers.get("Content-Range") == f"bytes */{before}":
                return _finish(part, target, {})
            if error.code == 416 and before:
                _discard(part)
            elif error.code not in _AGAIN:
                break
        except (OSError, http.client.HTTPException) as error:
            reason = _said(error)
        else:
            return _finish(part, target, headers)
    raise ChannelError(f"{shown(url)}: {reason}")


def _pause(attempt: int) -> None:
    if attempt:
        time.sleep(0.5 * 2 ** (attempt - 1))


def _finish(part: Path, target: Path, headers: dict[str, str]) -> Fetched:
    part.replace(target)
    _note(part).unlink(missing_ok=True)
    return Fetched(target.stat().st_size, headers)


def shown(url: str) -> str:
    """Return an address without the name and password that may be in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _attempt(
    url: str, part: Path, web: Web, progress: Progress, expected_bytes: int | None, pinned: bool
) -> dict[str, str]:
    done = _size(part)
    version = _version_of(part, url)
    if done and not version and not pinned:
        done = 0
    headers = {"Accept-Encoding": "identity"}
    if done:
        headers["Range"] = f"bytes={done}-"
        if version:
            headers["If-Range"] = version
    with web.open(url, headers) as response:
        answered = {name.lower(): value for name, value in response.headers.items()}
        begins = _begins_at(response.status, answered)
        if begins not in (0, done):
            _discard(part)
            raise http.client.HTTPException("the server sent another range than asked for")
        whole = begins + int(answered["content-length"]) if "content-length" in answered else 0
        if expected_bytes is not None and whole and whole != expected_bytes:
            _discard(part)
            raise ChannelError(f"{shown(url)}: the file has {whole} bytes, {expected_bytes} are expected")
        _write_note(part, url, answered)
        _receive(response, part, begins, whole, expected_bytes, progress)
    return answered


def _receive(
    response: http.client.HTTPResponse,
    part: Path,
    begins: int,
    whole: int,
    expected_bytes: int | None,
    progress: Progress,
) -> None:
    done = begins
    with part.open("r+b" if begins else "wb") as stream:
        stream.truncate(begins)
        stream.seek(begins)
        while block := response.read(_BLOCK_BYTES):
            done += len(block)
            if expected_bytes is not None and done > expected_bytes:
                _discard(part)
                raise ChannelError(f"more than the {expected_bytes} bytes expected arrived")
            stream.write(block)
            stream.flush()
            progress(done, whole)
        os.fsync(stream.fileno())
    if whole and done < whole:
        raise http.client.HTTPException(f"the connection ended after {done} of {whole} bytes")


def _begins_at(status: int, headers: Mapping[str, str]) -> int:
    if status != 206:
        return 0
    unit, _, rest = headers.get("content-range", "").partition(" ")
    first = rest.partition("-")[0]
    if unit != "bytes" or not first.isdigit():
        raise http.client.HTTPException("the server sent a part without saying which")
    return int(first)


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _write_note(part: Path, url: str, headers: Mapping[str, str]) -> None:
    etag = headers.get("etag", "")
    version = etag if etag and not etag.startswith("W/") else headers.get("last-modified", "")
    _note(part).write_text(json.dumps({"url": shown(url), "version": version}), encoding="utf-8")


def _version_of(part: Path, url: str) -> str:
    try:
        note: Any = json.loads(_note(part).read_bytes())
        return str(note["version"]) if note["url"] == shown(url) else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _size(part: Path) -> int:
    with contextlib.suppress(FileNotFoundError):
        return part.stat().st_size
    return 0


def _discard(part: Path) -> None:
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _without_password(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url, ""
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return shown(url), "Basic " + base64.b64encode(pair.encode()).decode("ascii")


def _trust(context: ssl.SSLContext, certificates: str) -> None:
    path = Path(certificates)
    if path.is_dir():
        context.load_verify_locations(capath=certificates)
    else:
        context.load_verify_locations(cafile=certificates)


def _knock(host: str, port: int, seconds: float, outcome: "queue.SimpleQueue[str]") -> None:
    try:
        socket.create_connection((host, port), timeout=seconds).close()
    except OSError as error:
        outcome.put(_said(error) or type(error).__name__)
    else:
        outcome.put("")


def _said(error: BaseException) -> str:
    inner = getattr(error, "reason", None)
    if isinstance(inner, OSError):
        error = inner
    return str(getattr(error, "strerror", None) or error or type(error).__name__)
