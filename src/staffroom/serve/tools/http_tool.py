"""Calls over HTTP to the hosts that a job declares, and nowhere else.

1. The address is the declaration's: arguments are escaped, so that none becomes a host or another path.
2. The host's name is resolved once; each address is looked at, and the connection goes to an address that was looked at.
3. No redirect is followed, no proxy taken from the environment, no cookie kept, no compressed answer taken.
4. The whole call has a clock, the answer a size and a kind: text or JSON.

It does not protect against a declared host that does something else than it was declared for.
"""

import json
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from staffroom.records.tools import HttpTool, is_private
from staffroom.serve.tools.desk import ToolFailed

__all__ = ["HttpExecutor"]

_TEXT_KINDS = ("text/", "application/json", "application/problem+json", "application/xml")
_PART = 16_384


class HttpExecutor:
    """Carries the calls of one HTTP tool out; `key` is sent as a bearer token where there is one."""

    def __init__(self, tool: HttpTool, *, key: str = "", resolver: AbstractResolver | None = None) -> None:
        """resolver: another way to find addresses than the system's; what it finds is looked at all the same."""
        self._tool = tool
        self._key = key
        self._resolver = resolver

    async def run(self, arguments: Mapping[str, Any]) -> str:
        """Return the body of the answer with its status."""
        tool = self._tool
        url, body = _address(tool, arguments)
        headers = {"accept": "application/json, text/plain;q=0.9", "accept-encoding": "identity"}
        if self._key:
            headers["authorization"] = f"Bearer {self._key}"
        if body is not None:
            headers["content-type"] = "application/json"
        connector = aiohttp.TCPConnector(
            resolver=_LookedAt(self._resolver, private=tool.private_network),
            use_dns_cache=False,
            force_close=True,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=tool.timeout_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
        )
        try:
            async with (
                session,
                session.request(
                    tool.method, url, data=body, headers=headers, allow_redirects=False
                ) as response,
            ):
                return await self._taken(response)
        except TimeoutError as error:
            raise ToolFailed(f"no answer within {tool.timeout_seconds:g} s") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise ToolFailed(f"the server cannot be asked ({type(error).__name__})") from error

    async def _taken(self, response: aiohttp.ClientResponse) -> str:
        tool = self._tool
        if 300 <= response.status < 400:
            raise ToolFailed(f"the server sends elsewhere ({response.status}); that is not followed")
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise ToolFailed("the answer is compressed")
        kind = response.content_type.lower()
        if not kind.startswith(_TEXT_KINDS):
            raise ToolFailed(f"the answer is neither text nor JSON ({kind[:60]})")
        data = bytearray()
        async for part in response.content.iter_chunked(_PART):
            data += part
            if len(data) > tool.response_bytes:
                raise ToolFailed(f"the answer is longer than {tool.response_bytes} bytes")
        return f"HTTP {response.status}\n{data.decode('utf-8', 'replace')}"


class _LookedAt(AbstractResolver):
    """Resolves a name and lets through public addresses only, unless the tool is for a private network."""

    def __init__(self, inner: AbstractResolver | None, *, private: bool) -> None:
        self._inner = inner or aiohttp.ThreadedResolver()
        self._private = private

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not self._private:
            for each in found:
                if is_private(each["host"]):
                    raise OSError(f"{host} is at a private address")
        return found

    async def close(self) -> None:
        await self._inner.close()


def _address(tool: HttpTool, arguments: Mapping[str, Any]) -> tuple[URL, bytes | None]:
    """Return the address and the body of a call; raises ToolFailed for an argument that cannot stand in a path."""
    parts = urlsplit(tool.url)
    path = parts.path or "/"
    for name in tool.places:
        value = str(arguments[name])
        # A part that is nothing, or only dots, would be another path.
        if not value.strip(".") or len(value) > 500:
            raise ToolFailed(f"`{name}` cannot stand in the path")
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    # A host that is an address is not resolved, so it is looked at here.
    if not tool.private_network and _is_private_literal(tool.host):
        raise ToolFailed("the host is a private address")
    rest = {name: value for name, value in arguments.items() if name not in tool.places}
    query, body = "", None
    if tool.method in ("GET", "DELETE"):
        query = urlencode({name: _shown(value) for name, value in rest.items()})
    else:
        body = json.dumps(rest, ensure_ascii=False).encode()
    whole = f"{parts.scheme}://{parts.netloc}{path}{'?' + query if query else ''}"
    return URL(whole, encoded=True), body


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _is_private_literal(host: str) -> bool:
    try:
        return is_private(host)
    except ValueError:
        return False
