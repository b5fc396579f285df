"""The assembled agent at work: permits, the gateway that calls it, and the record of what it did."""

from staffroom.serve.budgets import Budgets
from staffroom.serve.control import StopControl
from staffroom.serve.documents import DocumentLinks, DocumentSource, DocumentText
from staffroom.serve.duty import DutyLog, DutyRecord, commitment
from staffroom.serve.exchange import ServedRelease
from staffroom.serve.gateway import Gateway, GatewaySettings
from staffroom.serve.permit import (
    DutyState,
    PermitAct,
    PermitChange,
    PermitRecorder,
    Permits,
    PreparedPermit,
    resume,
    retire,
    suspend,
)
from staffroom.serve.plain import ServedPlain
from staffroom.serve.queue import EngineQueue, QueueFull
from staffroom.serve.server import (
    DEFAULT_HOST,
    DEFAULT_PORT,
    Address,
    GatewayServer,
    TlsFiles,
    run_gateway,
    serve_until_signal,
)

__all__ = [
    "DEFAULT_HOST",
    "DEFAULT_PORT",
    "Address",
    "Budgets",
    "DocumentLinks",
    "DocumentSource",
    "DocumentText",
    "DutyLog",
    "DutyRecord",
    "DutyState",
    "EngineQueue",
    "Gateway",
    "GatewayServer",
    "GatewaySettings",
    "PermitAct",
    "PermitChange",
    "PermitRecorder",
    "Permits",
    "PreparedPermit",
    "QueueFull",
    "ServedPlain",
    "ServedRelease",
    "StopControl",
    "TlsFiles",
    "commitment",
    "resume",
    "retire",
    "run_gateway",
    "serve_until_signal",
    "suspend",
]
