"""The judge models of exam packs: found on this home's shelf by their weights, started when first asked, stopped at the end.

A pack whose judge is not on the shelf is refused before anybody is asked anything. In a rehearsal no judge speaks.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from staffroom.engine.llama import LlamaEngine
from staffroom.engine.protocols import Engine
from staffroom.evaluate import ExamPack, Judge, JudgeEntry, Judgement, judge_responses
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Item, Response
from staffroom.records.models import Candidate
from staffroom.records.protocols import ResponseSink
from staffroom.recruit import file_of, list_models
from staffroom.store import Home

__all__ = ["Judges", "closing_judges", "require_judges"]

_CONTEXT = 8192


def require_judges(home: Home, pack: ExamPack) -> None:
    """Raise WrongUse where a judge of the pack has no model file on this home's shelf."""
    held = _candidates(home)
    for facet, judge in sorted(pack.judges.items()):
        if judge.weights not in held:
            raise WrongUse(
                f"the judge of the facet `{facet}` is not on this home's shelf ({judge.weights})",
                where=str(pack.folder / "exam.yaml"),
                hint="staffroom models add MODEL.gguf",
            )


@asynccontextmanager
async def closing_judges(home: Home) -> AsyncIterator["Judges"]:
    """Give the judges of one sitting, and stop their engines at its end."""
    judges = Judges(home)
    try:
        yield judges
    finally:
        await judges.close()


class Judges:
    """The judges of one sitting or hire; used within one event loop, and closed at its end."""

    def __init__(self, home: Home, *, rehearsal: bool = False) -> None:
        self._home = home
        self._rehearsal = rehearsal
        self._engines: dict[str, Engine] = {}
        self._starting = asyncio.Lock()

    def of(self, pack: ExamPack, sink: ResponseSink) -> Judge | None:
        """Return what says the words of a pack's judges, None where it has none or nothing is to be asked."""
        if not pack.judges or self._rehearsal:
            return None

        async def judge(items: Sequence[Item], responses: Mapping[str, Response]) -> Mapping[str, Judgement]:
            return await judge_responses(pack, items, responses, sink, self.engine)

        return judge

    async def engine(self, judge: JudgeEntry) -> Engine:
        """Return the running engine of a judge; raises WrongUse where its weights are not on the shelf."""
        async with self._starting:
            if judge.weights not in self._engines:
                engine = self._engine(judge)
                await engine.start()
                self._engines[judge.weights] = engine
            return self._engines[judge.weights]

    async def close(self) -> None:
        """Stop all engines; idempotent."""
        while self._engines:
            _, engine = self._engines.popitem()
            await engine.close()

    def _engine(self, judge: JudgeEntry) -> Engine:
        candidate = _candidates(self._home).get(judge.weights)
        if candidate is None:
            raise WrongUse(
                f"the judge's model is not on this home's shelf ({judge.weights})",
                hint="staffroom models add MODEL.gguf",
            )
        return LlamaEngine(file_of(self._home.path, candidate), judge.weights, n_ctx=_CONTEXT)


def _candidates(home: Home) -> dict[str, Candidate]:
    """Return the models with a file on a home's shelf, by the digest of their weights."""
    listed = [entry.candidate for entry in list_models(home.path)]
    return {candidate.model.digest: candidate for candidate in listed if candidate.model is not None}
