"""Run steps: take what is kept, run what is not, keep it, and say why. The only place where stages are cached.

`kill -9` at any moment loses the step that ran and nothing else: outputs are kept before they are used, and the
same command goes on from there.
"""

import asyncio
import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from staffroom.pipeline.step import Step, StepReason, why
from staffroom.records.protocols import Progress
from staffroom.store import Database, FinishedStep, MissingObject, ObjectStore, StepCache, utc_now

__all__ = ["Explained", "Runner", "WouldRun"]


@dataclass(frozen=True, slots=True)
class Explained:
    """Why one step ran or was kept; `detail` names the inputs that changed."""

    step: str
    reason: StepReason
    detail: str = ""


class Runner:
    """Runs the steps of one command; `explained` tells afterwards what happened and why."""

    def __init__(
        self,
        database: Database,
        objects: ObjectStore,
        progress: Progress,
        *,
        scope: str,
        force: bool = False,
        explain_only: bool = False,
    ) -> None:
        """scope: what tells the steps of one worker from another's in `--explain`; force: keep nothing."""
        self._steps = StepCache(database)
        self._objects = objects
        self._progress = progress
        self._scope = scope
        self._force = force
        self._explain_only = explain_only
        self._ran: set[str] = set()
        self.explained: list[Explained] = []

    @property
    def anything_ran(self) -> bool:
        """Whether any step had to run."""
        return bool(self._ran)

    def kept(self, step: Step) -> Any:
        """Return what is kept of a step, or None where it would have to run."""
        return self._look(step)[0]

    async def run(self, step: Step, work: Callable[..., Any], *arguments: Any) -> Any:
        """Return the step's output (JSON data), from the cache where its key is known; else of `work(*arguments)`.

        `work` may be a coroutine function; a plain one runs in a thread, so that engines stay alive meanwhile.
        """
        kept, explained = self._look(step)
        self.explained.append(explained)
        if kept is not None:
            return kept
        if self._explain_only:
            raise WouldRun(explained)
        self._ran.add(step.name)
        started, begun = utc_now(), time.monotonic()
        if inspect.iscoroutinefunction(work):
            output = await work(*arguments)
        else:
            output = await asyncio.to_thread(work, *arguments)
        self._steps.put(
            FinishedStep(
                key=step.key,
                name=f"{self._scope}/{step.name}",
                version=str(step.version),
                inputs=step.made_of(),
                output=self._objects.put_json(output),
                started=started,
                finished=utc_now(),
                seconds=time.monotonic() - begun,
            )
        )
        return output

    def _look(self, step: Step) -> tuple[Any, Explained]:
        finished = self._steps.get(step.key)
        if finished is not None and not self._force:
            try:
                kept = self._objects.get_json(finished.output)
            except MissingObject:
                return None, Explained(step.name, StepReason.MISSING, "its output is gone")
            if step.intact is not None and not step.intact(kept):
                return None, Explained(step.name, StepReason.MISSING, "a file that it made is gone")
            return kept, Explained(step.name, StepReason.KEPT)
        if finished is not None:
            return None, Explained(step.name, StepReason.FORCED)
        earlier = self._steps.latest(f"{self._scope}/{step.name}")
        if earlier is None:
            return None, Explained(step.name, StepReason.FIRST)
        cascade = [name for name in step.after if name in self._ran]
        if cascade:
            return None, Explained(step.name, StepReason.CASCADE, ", ".join(cascade))
        return None, Explained(step.name, StepReason.CHANGED, why(step, earlier.inputs))


class WouldRun(Exception):
    """Ends `--explain` at the first step that would run; what follows depends on its output."""

    def __init__(self, explained: Explained) -> None:
        super().__init__(explained.step)
        self.explained = explained
