"""HTTP tools before real servers on the loopback: only where they were declared to go, and never too long or too much."""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from staffroom.records.tools import HttpTool
from staffroom.serve.tools import HttpExecutor, ToolFailed

TEXT = {"type": "string"}


class To(AbstractResolver):
    """Says that every name is at one address; `asked` counts the questions."""

    def __init__(self, address: str, port: int) -> None:
        self.address = address
        self.port = port
        self.asked = 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        return [
            ResolveResult(hostname=host, host=self.address, port=self.port, family=family, proto=0, flags=0)
        ]

    async def close(self) -> None: ...


class Server:
    """Answers as the last part of the path says."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, str, dict[str, str]]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        self.seen.append((request.method, request.raw_path, body, dict(request.headers)))
        last = request.path.rsplit("/", 1)[-1]
        if last == "away":
            return web.Response(status=302, headers={"location": "http://elsewhere.example/"})
        if last == "slow":
            await asyncio.sleep(5)
        if last == "long":
            return web.Response(text="x" * 70_000)
        if last == "packed":
            return web.Response(
                body=b"\x1f\x8b", headers={"content-encoding": "gzip", "content-type": "text/plain"}
            )
        if last == "picture":
            return web.Response(body=b"x", content_type="image/png")
        response = web.json_response({"ok": "字"}, status=404 if last == "none" else 200)
        response.set_cookie("id", "1")
        return response


def at_server(work: Callable[[Server, int], Awaitable[None]]) -> None:
    async def main() -> None:
        server, app = Server(), web.Application()
        app.router.add_route("*", "/{rest:.*}", server.answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            async with asyncio.timeout(60):
                await work(server, runner.addresses[0][1])
        finally:
            await runner.cleanup()

    asyncio.run(main())


def tool(port: int, path: str, **more: Any) -> HttpTool:
    names = [name for name in ("a", "b") if f"{{{name}}}" in path or more.get("body")]
    schema = {"type": "object", "properties": {"a": TEXT, "b": TEXT}, "required": names}
    declared = {
        "kind": "http",
        "name": "t",
        "description": "a tool",
        "parameters": schema,
        "private_network": True,
    }
    more.pop("body", None)
    return HttpTool.model_validate(
        {**declared, "url": f"http://127.0.0.1:{port}{path}", "timeout_seconds": 0.5, **more}
    )


def test_arguments_stay_within_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")

    async def work(server: Server, port: int) -> None:
        at = HttpExecutor(tool(port, "/desk/{a}/now"), key="word")
        said = await at.run({"a": "x/../../pay?y=1#z@evil.example", "b": "1&c=2"})
        assert said == 'HTTP 200\n{"ok": "\\u5b57"}'
        await at.run({"a": "二"})
        assert [path for _, path, _, _ in server.seen] == [
            "/desk/x%2F..%2F..%2Fpay%3Fy%3D1%23z%40evil.example/now?b=1%26c%3D2",
            "/desk/%E4%BA%8C/now",
        ]
        assert server.seen[0][3]["Authorization"] == "Bearer word"
        assert "Cookie" not in server.seen[1][3]
        for dots in ("", ".", "..", "..."):
            with pytest.raises(ToolFailed, match="cannot stand in the path"):
                await at.run({"a": dots})
        post = HttpExecutor(tool(port, "/desk", method="POST"))
        await post.run({"a": '"}\n', "b": "字"})
        method, path, body, _ = server.seen[-1]
        assert (method, path, json.loads(body)) == ("POST", "/desk", {"a": '"}\n', "b": "字"})

    at_server(work)


@pytest.mark.parametrize(
    ("last", "problem"),
    [
        ("away", "not followed"),
        ("slow", "no answer within"),
        ("long", "longer than"),
        ("packed", "compressed"),
        ("picture", "neither text nor JSON"),
    ],
)
def test_answers_that_are_not_taken(last: str, problem: str) -> None:
    async def work(server: Server, port: int) -> None:
        with pytest.raises(ToolFailed, match=problem):
            await HttpExecutor(tool(port, f"/{last}")).run({})
        assert len(server.seen) == 1

    at_server(work)


def test_a_refusal_of_the_server_is_an_answer() -> None:
    async def work(server: Server, port: int) -> None:
        assert (await HttpExecutor(tool(port, "/none")).run({})).startswith("HTTP 404")
        with pytest.raises(ToolFailed, match="cannot be asked"):
            await HttpExecutor(tool(1, "/none")).run({})

    at_server(work)


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254"])
def test_a_public_name_at_a_private_address_is_not_asked(address: str) -> None:
    async def work(server: Server, port: int) -> None:
        public = tool(port, "/x", url="https://town.example/x", private_network=False)
        resolver = To(address, port)
        with pytest.raises(ToolFailed, match="cannot be asked"):
            await HttpExecutor(public, resolver=resolver).run({})
        assert resolver.asked == 1
        literal = tool(port, "/x", url=f"https://{address}/x", private_network=False)
        with pytest.raises(ToolFailed, match="private address"):
            await HttpExecutor(literal).run({})
        assert not server.seen

    at_server(work)


def test_a_name_in_a_private_network_is_resolved_once() -> None:
    async def work(server: Server, port: int) -> None:
        resolver = To("127.0.0.1", port)
        inner = tool(port, "/x", url=f"http://register.intranet:{port}/x")
        assert (await HttpExecutor(inner, resolver=resolver).run({})).startswith("HTTP 200")
        assert resolver.asked == 1

    at_server(work)
