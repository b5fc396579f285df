"""The gateway as `staffroom serve` runs it, before an engine that is given, with key, budgets, duty record and guardrails.

    python ours.py '{"home": "...", "port": 8001, "engine": "http://127.0.0.1:8000/v1", "socket": "", "engine_key": "",
                     "model": "weights-7b", "kind": "openai", "guardrails": true}'

Prints one JSON line with a key once it serves. The guardrails are those that `staffroom route add` gives a plain model.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import uvloop

from staffroom.engine.protocols import ServerAddress
from staffroom.records.budgets import TOKENS, Cap, CapPeriod, CapScope
from staffroom.records.plain_model import PlainModel
from staffroom.records.route_guardrails import RouteGuardrails, route_plan
from staffroom.serve import (
    Budgets,
    DocumentLinks,
    DutyLog,
    EngineQueue,
    Gateway,
    GatewayServer,
    Permits,
    ServedPlain,
    serve_until_signal,
)
from staffroom.serve.guardrails import TextGuard
from staffroom.serve.plain import Upstream
from staffroom.store import ApiKeys, Database, Home, SpendBook


class Engine:
    """The engine that was given."""

    def __init__(self, at: ServerAddress) -> None:
        self.at = at

    async def address(self) -> ServerAddress:
        """Return where it is."""
        return self.at


async def main(order: dict[str, Any]) -> None:
    """Serve until SIGTERM."""
    home = Home(Path(order["home"])).ensure()
    model = PlainModel(
        "plain",
        "endpoint:mock#weights-7b",
        "c",
        order["kind"],
        ("chat",),
        False,
        4096,
        512,
        256,
        256,
        "TWD",
        "5",
        "15",
    )
    permits = Permits(home.permits)
    permits.grant(model.alias, model.digest)
    plan = route_plan(RouteGuardrails()) if order["guardrails"] else None
    guard = None if plan is None else TextGuard(plan)
    upstream = Upstream(Engine(ServerAddress(order["engine"], order["socket"], order["engine_key"])))
    with (
        Database(home.database) as database,
        DutyLog(home.private / "duty") as duty,
        SpendBook(home.private / "spend.db") as book,
    ):
        keys, budgets = ApiKeys(database), Budgets(book)
        key, token = keys.create("benchmark")
        caps = [
            Cap(CapScope.KEY, key.id, TOKENS, CapPeriod.DAY, 10**12),
            Cap(CapScope.WORKER, "plain", TOKENS, CapPeriod.DAY, 10**12),
            Cap(CapScope.SPONSOR, "Lin", "TWD", CapPeriod.MONTH, 10**17),
        ]
        gateway = Gateway(
            permits=permits,
            keys=keys,
            duty=duty,
            documents=lambda _: None,
            links=DocumentLinks.of(home.keys),
            budgets=budgets,
            caps=lambda: caps,
        )
        queue = EngineQueue(slots=model.slots, waiting=model.waiting)
        gateway.serve(ServedPlain(model, model.digest, upstream, order["model"], queue, "Lin", guard))
        server = GatewayServer(gateway, port=int(order["port"]), drain_seconds=2)
        await serve_until_signal(server, on_ready=lambda _: print(json.dumps({"key": token}), flush=True))
        await upstream.close()
        await budgets.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(json.loads(sys.argv[1])))
