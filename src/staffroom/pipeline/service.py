"""Put released workers to work: rebuild what a release is made of, check that it is that, serve it.

What is rebuilt must have the digests of the release; anything else refuses to serve.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from staffroom.engine.protocols import Engine
from staffroom.onboard.retrieval import IndexRetriever
from staffroom.pipeline.assemble import assemble, engine_for, make_embedder
from staffroom.pipeline.budgets import caps_of, spend_book
from staffroom.pipeline.duty_keeping import keep_duty, settle_duty
from staffroom.pipeline.feedback import HomeFeedback
from staffroom.pipeline.plain_models import OpenPlain, open_plain
from staffroom.pipeline.releasing import assembly_of
from staffroom.pipeline.standing import forget_address, record_stops_by_hand, tell_address
from staffroom.pipeline.workers import HomeControl
from staffroom.records.budgets import TokenPrice
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.job_description import JobDescription, Price
from staffroom.release import differences
from staffroom.serve import (
    Address,
    Budgets,
    DocumentLinks,
    DocumentText,
    DutyLog,
    EngineQueue,
    Gateway,
    GatewayServer,
    GatewaySettings,
    Permits,
    ServedRelease,
    TlsFiles,
    serve_until_signal,
)
from staffroom.serve.agent import DocumentAgent
from staffroom.serve.request_log import RequestLog
from staffroom.serve.spans import SpanExporter
from staffroom.store import ApiKeys, Database, Home, ObjectStore, PlainModels, Releases, write_durably

__all__ = ["DEFAULT_PORT", "OpenWorker", "open_worker", "serve"]

DEFAULT_PORT = 8321
_WATCH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class OpenWorker:
    """A released worker whose engine runs."""

    alias: str
    release: str
    agent: DocumentAgent
    notice: str
    permits: Permits
    engine: Engine
    retriever: IndexRetriever
    job: JobDescription
    most_written: int

    def permitted(self) -> bool:
        """Say whether it may answer now."""
        return self.permits.check(self.alias, self.release)


@asynccontextmanager
async def open_worker(home: Home, alias: str) -> AsyncIterator[OpenWorker]:
    """Start a released worker's engine; raises StaffroomError where it is not what was released."""
    with Database(home.database) as database:
        worker = await _open(home, database, alias)
        try:
            yield worker
        finally:
            await worker.engine.close()


async def serve(
    home: Home,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    on_ready: Callable[[str], None] = lambda _: None,
    on_trouble: Callable[[str], None] = lambda _: None,
    *,
    tls: TlsFiles | None = None,
    public_url: str = "",
    seal_seconds: float = 3600.0,
    spans_to: str = "",
    request_log: TextIO | None = None,
) -> None:
    """Serve all released workers until SIGTERM or SIGINT; a release that comes while serving is taken up.

    tls: certificate and key, for HTTPS.  public_url: how clients reach the gateway through a proxy, for links in answers.
    Workers without a permit are known and answer that they are suspended. on_trouble: told why a release that
    came while serving could not be taken up, or rows not be sealed; everything else goes on.  seal_seconds: how often the rows of the
    duty record are sealed into the log.  spans_to: address of an OpenTelemetry collector; nothing is sent without it.  request_log: gets
    a JSON line a request, without texts.
    """
    spans = SpanExporter(spans_to) if spans_to else None
    lines = RequestLog(request_log) if request_log is not None else None
    with (
        home.ensure().lock("serve"),
        Database(home.database) as database,
        DutyLog(home.private / "duty") as duty,
    ):
        if not Releases(database).aliases() and not PlainModels(database).list():
            raise WrongUse("no worker has been released in this home", hint="staffroom hire JOB.yaml")
        keys = ApiKeys(database)
        _loopback_key(home, keys)
        opened: dict[str, OpenWorker] = {}
        plain: dict[str, OpenPlain] = {}
        book = spend_book(home)
        budgets = Budgets(book)
        address = public_url or f"{'https' if tls else 'http'}://{host}:{port}"
        gateway = _gateway(home, database, duty, keys, budgets, opened, address)
        gateway.counters.listeners = tuple(each for each in (spans, lines) if each is not None)
        server = GatewayServer(gateway, host=host, port=port, tls=tls)

        def ready(address: Address) -> None:
            try:
                tell_address(home, address.url)
            except StaffroomError as error:
                on_trouble(str(error))  # a full disk keeps nobody from being served
            on_ready(address.url)

        try:
            await _take_up(home, database, gateway, opened, plain)
            beside = [
                asyncio.create_task(_watch(home, database, gateway, opened, plain, on_trouble)),
                asyncio.create_task(keep_duty(home, seal_seconds, on_trouble)),
                asyncio.create_task(record_stops_by_hand(home, gateway.permits, on_trouble)),
            ]
            if spans is not None:
                beside.append(asyncio.create_task(spans.run()))
            try:
                await serve_until_signal(server, on_ready=ready)
            finally:
                for task in beside:
                    task.cancel()
                await asyncio.gather(*beside, return_exceptions=True)
                duty.flush()
                await settle_duty(home, on_trouble)
        finally:
            forget_address(home)
            for worker in opened.values():
                await worker.engine.close()
            for model in plain.values():
                await model.close()
            await budgets.close()
            book.close()
            if lines is not None:
                lines.close()


def _gateway(
    home: Home,
    database: Database,
    duty: DutyLog,
    keys: ApiKeys,
    budgets: Budgets,
    opened: Mapping[str, OpenWorker],
    public_url: str,
) -> Gateway:
    return Gateway(
        permits=Permits(home.permits),
        keys=keys,
        duty=duty,
        documents=lambda digest: _document(opened, digest),
        links=DocumentLinks.of(home.keys),
        settings=GatewaySettings(public_url=public_url),
        feedback=HomeFeedback(home),
        budgets=budgets,
        caps=lambda: caps_of(home, database),
        control=HomeControl(home),
    )


async def _watch(
    home: Home,
    database: Database,
    gateway: Gateway,
    opened: dict[str, OpenWorker],
    plain: dict[str, OpenPlain],
    on_trouble: Callable[[str], None],
) -> None:
    seen = database.data_version()
    while True:
        await asyncio.sleep(_WATCH_SECONDS)
        now = database.data_version()
        if now != seen:
            seen = now
            try:
                await _take_up(home, database, gateway, opened, plain)
            except StaffroomError as error:
                # The worker of the old release has lost its permit already; the other workers go on.
                on_trouble(str(error))


async def _take_up(
    home: Home,
    database: Database,
    gateway: Gateway,
    opened: dict[str, OpenWorker],
    plain: dict[str, OpenPlain],
) -> None:
    """Open what is released and not yet served; the one before stops once the new one answers.

    Raises StaffroomError for what could not be opened, after all else was.
    """
    failed: list[StaffroomError] = []
    for alias, release in Releases(database).aliases().items():
        before = opened.get(alias)
        if before is not None and before.release == release:
            continue
        try:
            worker = await _open(home, database, alias)
        except StaffroomError as error:
            failed.append(error)
            continue
        gateway.serve(
            ServedRelease(
                alias=alias,
                release=worker.release,
                agent=worker.agent,
                queue=EngineQueue(),
                notice=worker.notice,
                sponsor=worker.job.sponsor,
                price=_price(worker.job.budget.price),
                # The agent may read its prompt twice: for the verdict, and for the answer.
                read_most=2 * worker.job.requirements.context,
                written_most=worker.most_written,
            )
        )
        opened[alias] = worker
        if before is not None:
            await before.engine.close()
    failed += await _take_up_plain(home, database, gateway, plain)
    if failed:
        raise failed[0]


async def _take_up_plain(
    home: Home, database: Database, gateway: Gateway, plain: dict[str, OpenPlain]
) -> list[StaffroomError]:
    """Serve the plain models that were admitted, and no longer those that were withdrawn."""
    failed: list[StaffroomError] = []
    workers = Releases(database).aliases()
    admitted = {each.model.alias: each for each in PlainModels(database).list()}
    for alias in [alias for alias in plain if alias not in admitted or alias in workers]:
        if alias not in workers:
            gateway.withdraw(alias)
        await plain.pop(alias).close()
    for alias, each in admitted.items():
        before = plain.get(alias)
        if alias in workers or (before is not None and before.served.release == each.model.digest):
            continue
        try:
            opened = await open_plain(home, each)
        except StaffroomError as error:
            failed.append(error)
            continue
        gateway.serve(opened.served)
        plain[alias] = opened
        if before is not None:
            await before.close()
    return failed


def _price(price: Price) -> TokenPrice:
    return TokenPrice.per_million(price.currency, price.per_million_tokens_in, price.per_million_tokens_out)


async def _open(home: Home, database: Database, alias: str) -> OpenWorker:
    release = Releases(database).current(alias)
    if release is None:
        known = ", ".join(sorted(Releases(database).aliases())) or "none"
        raise WrongUse(f"no worker is released as `{alias}` (released: {known})", hint="staffroom workers")
    assembly, job = assembly_of(database, ObjectStore(home.objects), release.digest)
    embedder = make_embedder()
    engine = engine_for(assembly, home)
    agent = assemble(assembly, engine, home, embedder)
    changed = differences(release, agent.spec)
    if changed:
        raise StaffroomError(
            f"`{alias}` is not what was examined and released\n" + "\n".join(f"  {line}" for line in changed),
            hint="staffroom hire JOB.yaml --anew: it is examined again as it is now",
        )
    await engine.start()
    return OpenWorker(
        alias=alias,
        release=release.digest,
        agent=agent,
        notice=assembly.policy.ai_notice,
        permits=Permits(home.permits),
        engine=engine,
        retriever=_retriever_of(agent),
        job=job,
        most_written=assembly.policy.max_tokens,
    )


def _retriever_of(agent: DocumentAgent) -> IndexRetriever:
    retriever = agent.retriever
    if not isinstance(retriever, IndexRetriever):
        raise StaffroomError("this worker has no document index", hint="staffroom hire JOB.yaml")
    return retriever


def _document(opened: Mapping[str, OpenWorker], digest: str) -> DocumentText | None:
    for worker in opened.values():
        found = worker.retriever.document(digest)
        if found is not None:
            return DocumentText(name=found.name, text=found.text, as_of=found.as_of, locale=worker.job.locale)
    return None


def _loopback_key(home: Home, keys: ApiKeys) -> Path:
    """Make sure that there is a key for this machine alone, in a file that only its owner can read."""
    path = home.keys / "loopback.key"
    if not path.exists():
        _, token = keys.create(f"loopback {os.getpid()}-{secrets.token_hex(2)}", loopback=True)
        write_durably(path, token.encode() + b"\n", mode=0o600)
    return path
