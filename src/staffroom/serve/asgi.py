"""The few ASGI moves that the hot routes make: read a bounded body, answer with JSON, notice who has left."""

import asyncio
import ipaddress
from collections.abc import Callable, Sequence

from starlette.types import Receive, Scope, Send

from staffroom.serve.wire import WireError, error_body

__all__ = [
    "base_url",
    "from_loopback",
    "header",
    "more",
    "read_body",
    "require_method",
    "send_error",
    "send_json",
    "when_gone",
]

_BODY_SECONDS = 30.0
_DROPPED_BYTES = 8 << 20
_JSON = (b"content-type", b"application/json")
_FORWARDED = frozenset([b"forwarded", b"via", b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip"])


def header(scope: Scope, name: bytes) -> str:
    """Return a request header's first value, or an empty text (`name` in lower case)."""
    for found, value in scope["headers"]:
        if found == name:
            return bytes(value).decode("latin-1")
    return ""


def from_loopback(scope: Scope) -> bool:
    """Say whether the request was made on this machine; one that a proxy passed on was not."""
    client = scope.get("client")
    if client is None or any(name in _FORWARDED for name, _ in scope["headers"]):
        return False
    if client[0] in ("127.0.0.1", "::1"):
        return True
    try:
        return ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False


async def read_body(scope: Scope, receive: Receive, limit: int) -> bytes:
    """Return the request's body; raises WireError (413, 408) for one that is too large or too slow."""
    declared = header(scope, b"content-length")
    over = declared.isdigit() and int(declared) > limit
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise WireError(400, "the connection was closed within the body", code="client_gone")
                part = message.get("body", b"")
                size += len(part)
                over = over or size > limit
                last = not message.get("more_body", False)
                # A refusal in the middle of a body is lost with the connection: so a little more is read, and dropped.
                if over and (last or size > limit + _DROPPED_BYTES):
                    raise _too_large(limit)
                if over:
                    parts.clear()
                    continue
                parts.append(part)
                if last:
                    return b"".join(parts)
    except TimeoutError as error:
        raise WireError(408, "the body did not arrive in time", code="timeout") from error


def _too_large(limit: int) -> WireError:
    return WireError(413, f"the body is larger than {limit} bytes", code="request_too_large")


async def when_gone(receive: Receive, act: Callable[[], None]) -> None:
    """Wait until the client has closed the connection, then act."""
    while (await receive())["type"] != "http.disconnect":
        pass
    act()


async def send_json(
    send: Send, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with a JSON body."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [_JSON, length, *headers]})
    await send({"type": "http.response.body", "body": body})


async def send_error(
    send: Send, error: WireError, request_id: str, headers: Sequence[tuple[bytes, bytes]] = ()
) -> None:
    """Answer with OpenAI's error object."""
    extra = [*headers, *error.headers]
    if error.status in (408, 413):
        # The rest of the body is still on its way: the connection cannot be used again.
        extra.append((b"connection", b"close"))
    await send_json(send, error.status, error_body(error, request_id), extra)


def more(body: bytes) -> dict[str, object]:
    """Return the message of a piece that others follow."""
    return {"type": "http.response.body", "body": body, "more_body": True}


def base_url(scope: Scope) -> str:
    """Return the address that the connection was made to; the Host header is the client's to invent."""
    host, port = scope.get("server") or ("127.0.0.1", None)
    if port is None:
        return ""
    shown = f"[{host}]" if ":" in host else host
    return f"{scope['scheme']}://{shown}:{port}"


def require_method(method: str, allowed: str) -> None:
    """Raise WireError (405) for another method."""
    if method != allowed:
        raise WireError(
            405,
            f"use {allowed} here, not {method}",
            code="method_not_allowed",
            headers=((b"allow", allowed.encode()),),
        )
