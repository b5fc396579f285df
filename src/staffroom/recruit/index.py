"""Find a package's wheel the way this machine's pip would: its indexes, its folders, its certificates.

Nothing is installed or imported: a wheel is an archive here. No index address is written in this package; pip is asked
in a process of its own which index it would use, so an organisation's own mirror is honoured without any setting of
ours. Source of the formats: the simple repository API in its JSON and HTML forms, the wheel file name convention.
"""

import html.parser
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit, urlunsplit
from urllib.request import url2pathname

from pydantic import BaseModel

from staffroom.recruit.download import ChannelError, Web, shown

__all__ = ["PipSettings", "WheelFile", "ask_pip", "find_wheel"]

_ASK_SECONDS = 60.0
_PAGE_BYTES = 16 << 20
_JSON = "application/vnd.pypi.simple.v1+json"
_ACCEPT = f"{_JSON}, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
_SCRIPT = """
import json
try:
    from pip._internal.commands.download import DownloadCommand
    options, _ = DownloadCommand("download", "").parse_args([])
    found = {
        "indexes": [] if options.no_index else [options.index_url, *options.extra_index_urls],
        "links": list(options.find_links), "cert": options.cert,
    }
except (ImportError, AttributeError):
    import os
    from pip._internal.models.index import PyPI
    index = os.environ.get("PIP_INDEX_URL") or PyPI.simple_url
    found = {
        "indexes": [index, *os.environ.get("PIP_EXTRA_INDEX_URL", "").split()],
        "links": os.environ.get("PIP_FIND_LINKS", "").split(), "cert": os.environ.get("PIP_CERT"),
    }
print(json.dumps(found))
"""


@dataclass(frozen=True, slots=True)
class PipSettings:
    """Where pip looks: `indexes` (addresses of simple indexes), `links` (folders or pages), `cert` (a file or folder)."""

    indexes: tuple[str, ...]
    links: tuple[str, ...]
    cert: str | None


@dataclass(frozen=True, slots=True)
class WheelFile:
    """A wheel that was found: its name, address or local path, and what the index says of it, None where it says nothing."""

    name: str
    location: str
    path: Path | None
    sha256: str | None
    bytes: int | None

    @property
    def host(self) -> str:
        """Where it comes from, for a person: a host name or a folder."""
        return str(self.path.parent) if self.path else urlsplit(shown(self.location)).netloc


def ask_pip() -> PipSettings:
    """Return where this Python's pip would look, by running it; without pip, what PIP_INDEX_URL and its kin say."""
    try:
        answer = subprocess.run(
            [sys.executable, "-c", _SCRIPT], capture_output=True, text=True, timeout=_ASK_SECONDS, check=True
        )
        found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        found = {
            "indexes": f"{os.environ.get('PIP_INDEX_URL', '')} {os.environ.get('PIP_EXTRA_INDEX_URL', '')}".split(),
            "links": os.environ.get("PIP_FIND_LINKS", "").split(),
            "cert": os.environ.get("PIP_CERT"),
        }
    return PipSettings(tuple(filter(None, found["indexes"])), tuple(found["links"]), found["cert"])


def find_wheel(package: str, version: str, settings: PipSettings, web: Web, *, offline: bool) -> WheelFile:
    """Return the wheel of a package's release, local places first; a `ChannelError` says what each place said.

    `offline` leaves every place out that needs the network.
    """
    problems: list[str] = []
    places = [*((place, False) for place in settings.links), *((place, True) for place in settings.indexes)]
    for place, is_index in sorted(places, key=lambda pair: _local_folder(pair[0]) is None):
        folder = _local_folder(place)
        if folder is None and offline:
            continue
        try:
            candidates = list(_listed(place, folder, package if is_index else None, web))
        except (OSError, ValueError, ChannelError) as error:
            problems.append(f"{shown(place)}: {getattr(error, 'message', None) or error}")
            continue
        for candidate in candidates:
            if _is_release(candidate.name, package, version):
                return candidate
    if offline:
        problems.append("the network was not asked, because STAFFROOM_OFFLINE is set")
    tried = "; ".join(problems) or f"{len(places)} places do not have it"
    raise ChannelError(f"no wheel of {package} {version} was found ({tried})")


def _listed(place: str, folder: Path | None, package: str | None, web: Web) -> Iterator[WheelFile]:
    if folder is not None:
        if package is not None:
            folder = folder / _normal(package)
        page = folder / "index.html"
        if page.is_file():
            yield from _from_html(page.read_text(encoding="utf-8"), page.as_uri())
        if folder.is_dir():
            yield from (_at(file.as_uri(), None, None) for file in sorted(folder.glob("*.whl")))
        return
    url = place.rstrip("/") + f"/{_normal(package)}/" if package is not None else place
    web.reach(url)
    base, kind, page_bytes = web.page(url, _ACCEPT, _PAGE_BYTES)
    found = _from_json(page_bytes, base) if kind == _JSON else _from_html(page_bytes.decode("utf-8"), base)
    for wheel in found:
        yield replace(wheel, location=_as_user_of(url, wheel.location))


class _File(BaseModel):
    url: str
    hashes: dict[str, str] = {}
    size: int | None = None


class _Page(BaseModel):
    files: list[_File] = []


def _from_json(page: bytes, base: str) -> Iterator[WheelFile]:
    for file in _Page.model_validate_json(page).files:
        yield _at(urljoin(base, file.url), file.hashes.get("sha256"), file.size)


def _from_html(page: str, base: str) -> Iterator[WheelFile]:
    parser = _Links()
    parser.feed(page)
    for link in parser.links:
        location, fragment = urldefrag(urljoin(base, link))
        sha256 = fragment.removeprefix("sha256=") if fragment.startswith("sha256=") else None
        yield _at(location, sha256, None)


class _Links(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links += [value for name, value in attrs if name == "href" and value]


def _at(location: str, sha256: str | None, size: int | None) -> WheelFile:
    path = _local_folder(location)
    name = unquote(urlsplit(location).path.rpartition("/")[2])
    return WheelFile(name, location, path, sha256, path.stat().st_size if path and path.is_file() else size)


def _as_user_of(index: str, location: str) -> str:
    """Return the address with the index's name and password if it is on the same server, as pip does."""
    user, at, host = urlsplit(index).netloc.rpartition("@")
    parts = urlsplit(location)
    return urlunsplit(parts._replace(netloc=f"{user}@{host}")) if at and parts.netloc == host else location


def _is_release(name: str, package: str, version: str) -> bool:
    parts = name.removesuffix(".whl").split("-")
    if not name.endswith(".whl") or len(parts) not in (5, 6):
        return False
    return _normal(parts[0]) == _normal(package) and parts[1] == version


def _normal(package: str) -> str:
    return re.sub(r"[-_.]+", "-", package).lower()


def _local_folder(place: str) -> Path | None:
    parts = urlsplit(place)
    if parts.scheme == "file":
        return Path(url2pathname(parts.path))
    return None if parts.scheme in ("http", "https") else Path(place).expanduser()
