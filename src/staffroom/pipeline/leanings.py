"""Learn how much each candidate leans to one verdict by itself, before its exam is committed to."""

from collections.abc import Collection
from typing import Any

from staffroom.onboard.prompt import verdict_probes
from staffroom.pipeline.assemble import Assembly, engine_for
from staffroom.pipeline.examination import Bench
from staffroom.pipeline.runner import Runner
from staffroom.pipeline.step import Step
from staffroom.records.digests import digest_value
from staffroom.records.protocols import Progress
from staffroom.serve.leaning import Leaning, measure_leaning
from staffroom.store import Home

__all__ = ["learn_leanings"]


async def learn_leanings(
    bench: Bench, runner: Runner, home: Home, progress: Progress, *, known: Collection[str] = ()
) -> None:
    """Ask each agent of a bench the probes of its locale, once for each engine and wording, and have it lean so.

    known: names of agents that lean already, and stay as they are.
    """
    for name, assembly in list(bench.assemblies.items()):
        if name in known:
            continue
        step = Step(f"leaning {assembly.candidate.id}", 1, _inputs(assembly, home), after=("admit",))
        bench.lean(name, Leaning(**await runner.run(step, _measure, bench, name, progress)))


def _inputs(assembly: Assembly, home: Home) -> dict[str, Any]:
    probes = verdict_probes(assembly.locale)
    examples = {} if assembly.examples is None else {"examples": assembly.examples.digest}
    return {
        **examples,
        "engine": engine_for(assembly, home).identity.digest,
        "prompt": assembly.book.digest,
        "probes": digest_value([[p.excerpts, p.answered, p.unanswered, p.refused] for p in probes]),
    }


async def _measure(bench: Bench, name: str, progress: Progress) -> dict[str, Any]:
    agent = await bench.ready(name)
    probes = verdict_probes(agent.spec.locale)
    progress.stage(f"how {name} leans", len(probes))
    return (await measure_leaning(agent, probes, lambda: progress.advance(1.0))).as_json()
