"""Admit a plain model to be served, and start what answers for it.

A plain model is not a worker: nobody examined it, and it says so wherever it is listed. It is admitted by a person who
answers for it, in the decision log, and it needs a permit like a worker, so it is stopped like one.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from staffroom.engine.llama_server import LlamaServer
from staffroom.engine.protocols import ServerAddress
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.models import FetchStage
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.guardrails import GuardrailPlan
from staffroom.records.models import Candidate
from staffroom.records.plain_model import PlainModel
from staffroom.records.protocols import Progress
from staffroom.records.route_guardrails import RouteGuardrails, route_plan
from staffroom.records.source_file import read_yaml_model
from staffroom.recruit import file_of, find_model, resolve_candidate
from staffroom.serve import DutyState, EngineQueue, Permits, ServedPlain
from staffroom.serve.guardrails import TextGuard
from staffroom.serve.plain import Upstream
from staffroom.store import AdmittedModel, Database, Home, PlainModels, Releases, to_text, write_durably

__all__ = ["OpenPlain", "admit_plain", "list_plain", "open_plain", "withdraw_plain"]

_ENGINES = ("openai", "vllm", "llama")
_ENDPOINTS = ("chat", "completions", "embeddings", "responses")


def admit_plain(
    home: Home,
    alias: str,
    target: str,
    sponsor: str,
    progress: Progress,
    *,
    engine: str = "openai",
    endpoints: tuple[str, ...] = ("chat", "completions"),
    images: bool = False,
    context: int = 4096,
    max_output: int = 1024,
    slots: int = 4,
    waiting: int = 64,
    currency: str = "TWD",
    price_read: Decimal = Decimal(0),
    price_written: Decimal = Decimal(0),
    key: str = "",
    guardrails: str = "default",
    by: str = "",
) -> dict[str, Any]:
    """Admit a model under an alias: 1. recorded, 2. kept, 3. permitted; the same again changes nothing.

    target: what `models add` takes; a server's key goes into `keys/`, and into no record.
    guardrails: `default`, `none`, or the path of a file (`RouteGuardrails`).
    """
    _require(engine in _ENGINES, f"the engine is one of {', '.join(_ENGINES)}")
    _require(bool(endpoints) and set(endpoints) <= set(_ENDPOINTS), f"endpoints: {', '.join(_ENDPOINTS)}")
    _require(len(sponsor.strip()) >= 2, "a plain model needs a sponsor who answers for it")
    permits, log = Permits(home.ensure().permits), DecisionLog(home)
    if permits.state(alias) is DutyState.RETIRED:
        raise WrongUse(f"`{alias}` is retired and does not come back", hint="take another name")
    candidate = resolve_candidate(home.path, target, FetchStage(target, progress).report)
    model = PlainModel(
        alias=alias,
        source=_source(candidate),
        sponsor=log.commitment_to("person", sponsor.strip()),
        engine="llama" if candidate.model is not None else engine,
        endpoints=tuple(name for name in _ENDPOINTS if name in endpoints),
        images=images,
        context=context,
        max_output=max_output,
        slots=slots,
        waiting=waiting,
        currency=currency,
        price_read=_decimal(price_read),
        price_written=_decimal(price_written),
        guardrails=_guardrails(guardrails),
    )
    with Database(home.database) as database:
        if alias in Releases(database).aliases():
            raise WrongUse(f"`{alias}` is a worker's alias", hint="take another name for the plain model")
        if key:
            write_durably(_key_file(home, alias), key.encode() + b"\n", mode=0o600)
        # 1. A permit may only ever name what the log knows.
        number = sum(1 for item in log.entries() if item.entry["body"].get("alias") == alias)
        known = PlainModels(database).get(alias)
        if known is None or known.model != model:
            body = {"alias": alias, "digest": model.digest, "manifest": model.manifest(), "examined": False}
            body["by"] = log.commitment_to("person", by or str(os.getuid()))
            log.append("plain-model-admitted", f"plain:{alias}:{number}:{model.digest}", "", body)
            PlainModels(database).save(model, sponsor.strip())  # 2
        permits.grant(alias, model.digest)  # 3
        admitted = PlainModels(database).get(alias)
    if admitted is None:
        raise StaffroomError(f"`{alias}` was withdrawn while it was being admitted")
    return _row(home, admitted)


def list_plain(home: Home) -> list[dict[str, Any]]:
    """Return the plain models of a home, with their states."""
    if not home.database.exists():
        return []
    with Database(home.database) as database:
        return [_row(home, admitted) for admitted in PlainModels(database).list()]


def withdraw_plain(home: Home, alias: str, by: str = "") -> dict[str, Any]:
    """Take a plain model out of service: stopped first, then recorded and forgotten."""
    with Database(home.database) as database:
        models = PlainModels(database)
        admitted = models.get(alias)
        if admitted is None:
            known = ", ".join(each.model.alias for each in models.list()) or "none"
            raise WrongUse(
                f"no plain model is served as `{alias}` (there are: {known})", hint="staffroom route list"
            )
        Permits(home.permits).revoke(alias)
        log = DecisionLog(home)
        body = {
            "alias": alias,
            "digest": admitted.model.digest,
            "by": log.commitment_to("person", by or str(os.getuid())),
        }
        log.append("plain-model-withdrawn", f"plain-withdrawn:{alias}:{to_text(admitted.admitted)}", "", body)
        models.remove(alias)
        _key_file(home, alias).unlink(missing_ok=True)
        return _row(home, admitted)


@dataclass(frozen=True, slots=True)
class OpenPlain:
    """A plain model in service, and what must be closed after it."""

    served: ServedPlain
    child: LlamaServer | None

    async def close(self) -> None:
        """Close the connections, and the engine where it is ours."""
        await self.served.upstream.close()
        if self.child is not None:
            await self.child.close()


async def open_plain(home: Home, admitted: AdmittedModel) -> OpenPlain:
    """Return a plain model ready to serve; an engine of ours is started, a server is not asked."""
    model = admitted.model
    child: LlamaServer | None = None
    if model.source.startswith("endpoint:"):
        base, _, name = model.source.removeprefix("endpoint:").partition("#")
        path = _key_file(home, model.alias)
        key = _key_behind(path.read_text(encoding="utf-8").strip(), model.alias) if path.exists() else ""
        upstream = Upstream(_Server(ServerAddress(base, "", key)))
    else:
        name = model.alias
        logs = home.private / "engines"
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        child = LlamaServer(
            file_of(home.path, find_model(home.path, model.source).candidate),
            context=model.context,
            slots=model.slots,
            log_path=logs / f"plain-{model.alias}.log",
        )
        await child.address()
        upstream = Upstream(child)
    queue = EngineQueue(slots=model.slots, waiting=model.waiting)
    guard = TextGuard(model.guardrails) if model.guardrails is not None else None
    served = ServedPlain(model, model.digest, upstream, name, queue, admitted.sponsor, guard)
    return OpenPlain(served, child)


@dataclass(frozen=True, slots=True)
class _Server:
    """A server that somebody else keeps running."""

    at: ServerAddress

    async def address(self) -> ServerAddress:
        return self.at


def _source(candidate: Candidate) -> str:
    if candidate.model is not None:
        return candidate.model.digest
    if not candidate.endpoint_model:
        raise WrongUse(
            "say which model of the server is meant",
            hint="server:URL#model, for example server:http://gpu:8000/v1#qwen",
        )
    return f"endpoint:{candidate.endpoint}#{candidate.endpoint_model}"


def _row(home: Home, admitted: AdmittedModel) -> dict[str, Any]:
    model = admitted.model
    row: Mapping[str, Any] = model.manifest()
    return {
        **row,
        "digest": model.digest,
        "sponsor": admitted.sponsor,
        "admitted": to_text(admitted.admitted),
        "state": Permits(home.permits).state(model.alias).value,
    }


def _guardrails(word: str) -> GuardrailPlan | None:
    if word == "none":
        return None
    if word == "default":
        return route_plan(RouteGuardrails())
    hint = "staffroom schema guardrails shows the fields; `default` and `none` need no file"
    return route_plan(read_yaml_model(Path(word), RouteGuardrails, hint=hint))


def _key_file(home: Home, alias: str) -> Path:
    return home.keys / f"engine-{alias}.key"


def _key_behind(kept: str, alias: str) -> str:
    """Return a server's key; `env:NAME` stands for a variable of the gateway's environment, so that no file holds the key."""
    if not kept.startswith("env:"):
        return kept
    name = kept.removeprefix("env:")
    value = os.environ.get(name, "").strip()
    if not value:
        raise StaffroomError(
            f"the key of `{alias}` is in the variable {name}, which is not set here",
            hint=f"set {name} for `staffroom serve`, or run `staffroom route add` with --key-file",
        )
    return value


def _decimal(value: Decimal) -> str:
    if not value.is_finite() or value < 0:
        raise WrongUse(f"{value} is not a price", hint="a price for a million tokens, 0 or more")
    return f"{value.normalize():f}"


def _require(condition: bool, problem: str) -> None:
    if not condition:
        raise WrongUse(problem, hint="staffroom route add --help")
