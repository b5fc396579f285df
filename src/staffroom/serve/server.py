"""Runs the gateway on a TCP port: finds the port free, says the address, and drains when told to end.

On SIGTERM or SIGINT: 1. not ready, 2. no new connection, 3. answers under way go on for `drain_seconds`,
4. what is left is stopped. It prints nothing.
"""

import asyncio
import contextlib
import functools
import ipaddress
import math
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
import uvloop

from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.serve.gateway import Gateway
from staffroom.serve.http_guard import GuardedProtocol

__all__ = [
    "DEFAULT_HOST",
    "DEFAULT_PORT",
    "Address",
    "GatewayServer",
    "TlsFiles",
    "run_gateway",
    "serve_until_signal",
]

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8321
_BACKLOG = 512
_CUT_SECONDS = 3
_MOST_CONNECTIONS = 4096


@dataclass(frozen=True, slots=True)
class Address:
    """Where the gateway listens."""

    host: str
    port: int
    scheme: str = "http"

    @property
    def url(self) -> str:
        """The address for a browser or, with `/v1` behind it, for a client."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Certificate (with its chain) and private key, PEM; read once, when the gateway starts."""

    certificate: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return the server's context, TLS 1.2 and newer; raises WrongUse for files that are missing, open or do not belong together."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            if self.key.stat().st_mode & 0o004:
                raise WrongUse(
                    "everybody on this machine may read this private key",
                    where=str(self.key),
                    hint=f"chmod o-r {self.key}",
                )
            context.load_cert_chain(self.certificate, self.key, password=_no_password)
        except ssl.SSLError as error:
            raise WrongUse(
                f"certificate and key cannot be used ({error.reason or error})",
                where=f"{self.certificate}, {self.key}",
                hint="give a certificate with its chain and its own key, PEM, without a password",
            ) from error
        except (OSError, ValueError) as error:
            place = getattr(error, "filename", None) or self.certificate
            raise WrongUse(
                f"cannot be read ({getattr(error, 'strerror', None) or error})",
                where=str(place),
                hint="staffroom serve --tls-cert FILE --tls-key FILE",
            ) from error
        return context


class GatewayServer:
    """A bound port with a gateway behind it; `run` serves until `stop` or a signal."""

    def __init__(
        self,
        gateway: Gateway,
        *,
        host: str = DEFAULT_HOST,
        port: int = DEFAULT_PORT,
        drain_seconds: float = 30.0,
        tls: TlsFiles | None = None,
    ) -> None:
        """Bind the port (0: any free one); with `tls` it speaks HTTPS and nothing else.

        Raises StaffroomError where it is taken, WrongUse where a gateway without keys would be open to
        other machines.
        """
        self._gateway = gateway
        self._drain_seconds = drain_seconds
        self._stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        context = None if tls is None else tls.context()
        self._socket = _bind(host, port)
        bound = self._socket.getsockname()
        if not gateway.settings.require_keys and not _is_loopback(bound[0]):
            self._socket.close()
            raise WrongUse(
                f"without keys the gateway listens on this machine only, not on {host}",
                hint="make keys with `staffroom key create`, or leave the host at 127.0.0.1",
            )
        self.address = Address(bound[0], bound[1], "http" if context is None else "https")
        self._server = _Server(
            uvicorn.Config(
                gateway,
                http=functools.partial(GuardedProtocol, reader_seconds=gateway.settings.reader_seconds),  # type: ignore[arg-type]
                limit_concurrency=_MOST_CONNECTIONS,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=math.ceil(drain_seconds) + _CUT_SECONDS,
                ssl_context_factory=None if context is None else lambda _config, _default: context,
            )
        )

    async def run(self, *, on_ready: Callable[[Address], None] | None = None) -> None:
        """Serve; returns after the drain. `on_ready` is told the address once connections are taken."""
        self._loop = asyncio.get_running_loop()
        beside = [asyncio.create_task(self._cut()), asyncio.create_task(self._tell(on_ready))]
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            for task in beside:
                task.cancel()
            self._socket.close()

    def stop(self) -> None:
        """Begin the drain; may be called from a signal handler or another thread."""
        self._gateway.drain()
        self._server.should_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stopping.set)

    async def _cut(self) -> None:
        await self._stopping.wait()
        await asyncio.sleep(self._drain_seconds)
        self._gateway.cut_off()

    async def _tell(self, on_ready: Callable[[Address], None] | None) -> None:
        while not self._server.started:
            await asyncio.sleep(0.01)
        if on_ready is not None:
            on_ready(self.address)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        # Left to `run_gateway`: uvicorn raises a signal again after the drain, which would make an orderly
        # end look like a crash.
        yield


async def serve_until_signal(
    server: GatewayServer, *, on_ready: Callable[[Address], None] | None = None
) -> None:
    """Run a server in the main thread's loop until SIGTERM or SIGINT, then drain and return."""
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, server.stop)
    try:
        await server.run(on_ready=on_ready)
    finally:
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(name)


def run_gateway(server: GatewayServer, *, on_ready: Callable[[Address], None] | None = None) -> None:
    """Run a server in this process until SIGTERM or SIGINT, on uvloop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_until_signal(server, on_ready=on_ready))


def _no_password() -> str:
    # Without this OpenSSL would ask at the terminal, and a service would wait there for ever.
    raise ValueError("the key has a password")


def _bind(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(place)
            bound.listen(_BACKLOG)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise StaffroomError(
            f"cannot listen on {host}:{port} ({error.strerror or error})",
            hint="another program may have the port: try `staffroom serve --port 0`",
        ) from error
    bound.setblocking(False)
    return bound


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
