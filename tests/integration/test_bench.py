"""Two agents on one real engine, one of them with worked examples: each answers as it does alone."""

import asyncio
from dataclasses import replace
from pathlib import Path

from test_hire import STARTER, Quiet, write_job

from staffroom.evaluate import load_pack
from staffroom.pipeline import indexing
from staffroom.pipeline.assemble import Assembly, assemblies_of, make_embedder
from staffroom.pipeline.examination import Bench
from staffroom.pipeline.orders import HireOrder, prepare
from staffroom.pipeline.sitting import sit
from staffroom.records.exam import Evaluation, Item, Response, Split
from staffroom.records.policy import Demonstration, ExampleBook
from staffroom.recruit import resolve_candidate
from staffroom.store import Home


class Kept:
    """A sink in memory."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, int], Response] = {}

    def get(self, agent: str, item_digest: str, seed: int) -> Response | None:
        return self.rows.get((agent, item_digest, seed))

    def put(self, item_digest: str, response: Response) -> None:
        self.rows[response.agent, item_digest, response.seed] = response


def made_of(folder: Path, home: Home) -> dict[str, Assembly]:
    prepared, embedder = prepare(HireOrder(write_job(folder))), make_embedder()
    indexed = indexing.index_documents(prepared.job, prepared.folder, home, embedder, Quiet())
    guard = indexing.fit_guard(home, embedder, Quiet())
    candidate = resolve_candidate(home.path, STARTER, lambda *_: None)
    (plain,) = assemblies_of(prepared.job, [candidate], indexed["digest"], guard, dry_run=False).values()
    shown = Demonstration(
        "[1] Library\nA reader may borrow 10 books.", "How many books?", "", "10 books [1]."
    )
    shown = replace(shown, verdict=plain.book.answer_word)
    return {"plain": plain, "examples": replace(plain, examples=ExampleBook(1, (shown,)))}


async def side_by_side(
    agents: dict[str, Assembly], names: list[str], items: list[Item], folder: Path, home: Home
) -> dict[str, Evaluation]:
    pack, sink = load_pack(folder / "exam"), Kept()
    bench, found = Bench(agents, home, make_embedder()), {}
    try:
        for part in (items[:1], items):  # in turns: one item each, then the rest
            for name in names:
                found[name] = await sit(await bench.ready(name), part, pack, Split.SCREEN, 7, sink, Quiet())
    finally:
        await bench.close()
    return found


def test_agents_on_one_engine_do_not_change_one_another(tmp_path: Path) -> None:
    home = Home(tmp_path / "home").ensure()
    agents = made_of(tmp_path, home)
    pack = load_pack(tmp_path / "exam")
    kinds = {item.kind: item for item in pack.items}
    items = list(kinds.values())

    async def run() -> tuple[dict[str, Evaluation], dict[str, Evaluation]]:
        alone = {}
        for name in agents:
            alone |= await side_by_side(agents, [name], items, tmp_path, home)
        return alone, await side_by_side(agents, list(agents), items, tmp_path, home)

    alone, together = asyncio.run(run())
    assert {name: one.digest for name, one in alone.items()} == {
        name: one.digest for name, one in together.items()
    }
    assert alone["plain"].tokens_in < alone["examples"].tokens_in
