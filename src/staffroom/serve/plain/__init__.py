"""Plain models: requests handed on to an engine as bytes, under the same keys, permits, budgets and records as workers."""

from staffroom.serve.plain.bodies import BodyReader, Endpoint
from staffroom.serve.plain.relay import PlainDesk
from staffroom.serve.plain.served import ServedPlain
from staffroom.serve.plain.upstream import AddressedEngine, Breaker, Upstream, UpstreamLost

__all__ = [
    "AddressedEngine",
    "BodyReader",
    "Breaker",
    "Endpoint",
    "PlainDesk",
    "ServedPlain",
    "Upstream",
    "UpstreamLost",
]
