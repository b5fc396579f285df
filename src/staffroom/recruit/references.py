"""What a person means by the argument of `models add`: a file, an address, a place on a hub, or a server."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal
from urllib.parse import urldefrag, urlsplit

from staffroom.records.errors import WrongUse
from staffroom.recruit.catalogue import HubReference

__all__ = ["Reference", "parse_reference"]

_HUB: Final = re.compile(r"(?P<repository>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?:(?P<file>[^:#\s]+)")
_HEX: Final = re.compile(r"[0-9a-f]{64}")
_HINT: Final = "staffroom models add PATH, an address, owner/repository[@revision]:file or server:URL#model"


@dataclass(frozen=True, slots=True)
class Reference:
    """One reading of such an argument; only the fields of its `kind` are set.

    `digest` is what the person expects (`sha256:<hex>`), None where they did not say. `model` is a server's model.
    """

    kind: Literal["path", "url", "hub", "server"]
    path: Path | None = None
    url: str = ""
    hub: HubReference | None = None
    model: str | None = None
    digest: str | None = None


def parse_reference(text: str) -> Reference:
    """Return what `text` means; a file that is there wins. Raises `WrongUse`.

    Addresses that end in `/v1` are servers, other http and https addresses are files to fetch. `#sha256=<hex>` behind
    an address or a place on a hub says which digest is expected.
    """
    path = Path(os.path.expanduser(text))  # noqa: PTH111  # Path.expanduser raises for an unknown user
    if "\0" not in text and os.path.lexists(path):
        return Reference("path", path=path)
    bare, fragment = urldefrag(text)
    if bare.startswith("server:"):
        return _server(bare.removeprefix("server:"), fragment)
    if urlsplit(bare).scheme in ("http", "https"):
        if urlsplit(bare).path.rstrip("/").endswith("/v1"):
            return _server(bare, fragment)
        return Reference("url", url=bare, digest=_digest(fragment))
    if match := _HUB.fullmatch(bare):
        hub = HubReference(match["repository"], match["revision"] or "main", match["file"])
        return Reference("hub", hub=hub, digest=_digest(fragment))
    raise WrongUse(f"there is no file {text!r}, and it is no address either", hint=_HINT)


def _server(url: str, model: str) -> Reference:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongUse(f"{url!r} is not the http or https address of a server", hint=_HINT)
    if parts.username or parts.password:
        raise WrongUse("the address of a server must not contain a password", hint=_HINT)
    return Reference("server", url=url.rstrip("/"), model=model or None)


def _digest(fragment: str) -> str | None:
    if not fragment:
        return None
    value = fragment.removeprefix("sha256=").lower()
    if not fragment.startswith("sha256=") or not _HEX.fullmatch(value):
        raise WrongUse(f"#{fragment} is not #sha256= and 64 hexadecimal digits", hint=_HINT)
    return "sha256:" + value
