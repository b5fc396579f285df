"""Ask a sample of a kept evaluation again, or judge its kept answers again, and say what differs.

1. Find the evaluation, its items, its kept answers and what its agent was made of.
2. Build the same agent on this machine. It may differ in its engine alone; that is said, and then nothing is wrong.
3. Draw the sample by the seed, ask it in exam mode into nothing that is kept, and compare choices, not floats.

It writes nothing: no answer, no log entry, no alpha. A stranger does it on a copy of the home, and a log that was
carried on there would be a fork. See design/rerun.md.
"""

import secrets
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from staffroom.evaluate import response_digest, scorer_of
from staffroom.pipeline.alpha import may_be_shown
from staffroom.pipeline.assemble import make_embedder
from staffroom.pipeline.examination import Bench
from staffroom.pipeline.examined import Examined, MadeOf, find_examined, made_of
from staffroom.pipeline.sitting import judge_again, sit
from staffroom.records.agent import AgentSpec
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.exam import Item, Response
from staffroom.records.protocols import Progress
from staffroom.store import Database, Home, ObjectStore, Responses

__all__ = ["EngineNow", "draw_sample", "rejudge_exam", "rerun_exam"]

_ENDPOINT = "endpoint:"
_ENGINE = "engine"
_SEED_BITS = 32


class EngineNow(StrEnum):
    """How the engine stands to the one of the evaluation: only the same one must give the same choices.

    `unbound`: an endpoint, whose weights no digest binds.
    """

    SAME = "same"
    OTHER = "other"
    UNBOUND = "unbound"


class _Unkept:
    """A sink that forgets nothing while it lives, and had nothing before: every item is asked."""

    def __init__(self) -> None:
        self.responses: dict[str, Response] = {}

    def get(self, agent: str, item_digest: str, seed: int) -> Response | None:
        """Know nothing."""
        return None

    def put(self, item_digest: str, response: Response) -> None:
        """Remember an answer by its item's id."""
        self.responses[response.item_id] = response


async def rerun_exam(
    home: Home,
    name: str,
    progress: Progress,
    *,
    sample: int = 50,
    seed: int | None = None,
    pack: Path | None = None,
) -> dict[str, Any]:
    """Ask a sample of an evaluation's items again and return what differs, item by item.

    name: digest of the evaluation.  sample: how many items, at most all.  seed: draws the sample; else one that nobody chose,
    which the result names.  pack: folder of the exam pack, where it lies no longer where it lay.
    `ok` is true or false on the same engine, and None on another one, where nothing is wrong or right. Items that got no
    answer in the evaluation are not drawn. Raises StaffroomError where the agent is another one, or kept answers are not
    those that the evaluation names.
    """
    if sample < 1:
        raise WrongUse("a sample has at least one item", hint="staffroom exam rerun EVALUATION --sample 50")
    seed = secrets.randbits(_SEED_BITS) if seed is None else seed
    _require_home(home)
    with Database(home.database) as database:
        examined = find_examined(home, database, name, pack)
        _require_unchanged(examined)
        made = made_of(database, ObjectStore(home.objects), examined.evaluation.agent)
        answered = [item for item in examined.items if not examined.responses[item.id].error]
        items = draw_sample(answered, sample, seed)
        bench = Bench({_ENGINE: made.assembly}, home, make_embedder())
        try:
            engine = _compare_engines(made, bench.agent(_ENGINE).spec)
            now = bench.engine_of(_ENGINE).as_json()
            progress.stage("asking again", len(items))
            fresh = _Unkept()
            await sit(
                await bench.ready(_ENGINE),
                items,
                examined.pack,
                examined.evaluation.split,
                examined.evaluation.seed,
                fresh,
                progress,
            )
        finally:
            await bench.close()
        shown = examined.evaluation.split in may_be_shown(home, examined.pack)
    rows = [_row(item, examined.responses[item.id], fresh.responses[item.id], shown=shown) for item in items]
    differing = [row for row in rows if row.pop("differs")]
    shifts = [row["shift_nats"] for row in rows if row["shift_nats"] is not None]
    return {
        **_facts(examined, shown=shown),
        "answered": len(answered),
        "sample": len(items),
        "seed": seed,
        "engine": engine.value,
        "engine_then": made.engine,
        "engine_now": now,
        "same": len(items) - len(differing),
        "differ": differing,
        "choices": len(shifts),
        "largest_shift_nats": max(shifts, default=None),
        "ok": not differing if engine is EngineNow.SAME else None,
    }


def rejudge_exam(home: Home, name: str, *, pack: Path | None = None) -> dict[str, Any]:
    """Judge an evaluation's kept answers again, all of them, and return whether that gives its digest.

    Raises StaffroomError where this program has other versions of the scorers than those recorded.
    """
    _require_home(home)
    with Database(home.database) as database:
        examined = find_examined(home, database, name, pack)
        shown = examined.evaluation.split in may_be_shown(home, examined.pack)
        then = examined.evaluation
        _require_scorers(examined)
        now = judge_again(
            then.agent,
            examined.items,
            examined.responses,
            examined.pack,
            then.split,
            then.seed,
            Responses(database),
        )
    before, after = then.as_json(), now.as_json()
    differing = [
        {
            "item": _called(item, shown=shown),
            **({"then": first.as_json(), "now": second.as_json()} if shown else {}),
        }
        for item, first, second in zip(examined.items, then.scores, now.scores, strict=True)
        if first != second
    ]
    return {
        **_facts(examined, shown=shown),
        "digest_now": now.digest,
        "differ": differing,
        "answers_changed": [_called(item, shown=shown) for item in _changed(examined)],
        "fields": sorted(field for field in before if before[field] != after[field]),
        "scorers": sorted({score.scorer for score in then.scores}),
        "ok": now.digest == examined.digest,
    }


def draw_sample(items: Sequence[Item], count: int, seed: int) -> list[Item]:
    """Return `count` of the items (all, where there are fewer), drawn by a seed.

    The items with the smallest SHA-256 of seed and item digest: anyone can draw it again, in any language.
    """
    ranked = sorted(items, key=lambda item: digest_value({"seed": seed, "item": item.digest}))
    return ranked[:count]


def _compare_engines(made: MadeOf, spec: AgentSpec) -> EngineNow:
    now = spec.as_json()
    changed = {field for field in {*made.spec, *now} if made.spec.get(field) != now.get(field)}
    if changed - {_ENGINE}:
        lines = [
            f"  {field}: then {made.spec.get(field)!r}, now {now.get(field)!r}" for field in sorted(changed)
        ]
        raise StaffroomError(
            "what can be built here is not the agent that was examined\n" + "\n".join(lines),
            hint="use the version of Staffroom and the home of that time; "
            "`staffroom exam rerun EVALUATION --judge-only` needs no agent",
        )
    if spec.base.startswith(_ENDPOINT):
        return EngineNow.UNBOUND
    return EngineNow.OTHER if changed else EngineNow.SAME


def _row(item: Item, then: Response, now: Response, *, shown: bool) -> dict[str, Any]:
    """Return an item's comparison; of hidden items neither the id nor what was answered."""
    margins = (then.margin_nats, now.margin_nats)
    row: dict[str, Any] = {
        "item": _called(item, shown=shown),
        "margin_then": margins[0],
        "margin_now": margins[1],
        "shift_nats": None if now.error or None in margins else _shift(then, now),
        "failed": bool(now.error),
        "differs": bool(now.error) or _substance(item, then) != _substance(item, now),
    }
    if shown:
        row |= {"then": then.text, "now": now.error or now.text}
    return row


def _substance(item: Item, response: Response) -> tuple[object, ...]:
    """Return what must be the same: the option chosen, or what was said, how it came about, and on what it rests."""
    if item.kind.has_options:
        return (response.text,)
    return (response.outcome, response.text, response.cited)


def _shift(then: Response, now: Response) -> float:
    """Return how far an item's margin moved in nats; towards another choice the two margins add up."""
    first, second = float(then.margin_nats or 0.0), float(now.margin_nats or 0.0)
    return abs(first - second) if then.text == now.text else first + second


def _require_unchanged(examined: Examined) -> None:
    changed = _changed(examined)
    if changed:
        raise StaffroomError(
            f"{len(changed)} kept answers are not those that the evaluation names",
            where=examined.digest,
            hint="`staffroom exam rerun EVALUATION --judge-only` lists them; restore the home from a backup",
        )


def _changed(examined: Examined) -> list[Item]:
    """Return the items whose kept answer is another one than the evaluation names."""
    named = examined.evaluation.responses
    return [
        item
        for item, digest in zip(examined.items, named, strict=True)
        if response_digest(item, examined.responses[item.id]) != digest
    ]


def _require_scorers(examined: Examined) -> None:
    pairs = zip(examined.items, examined.evaluation.scores, strict=True)
    other = sorted(
        {(score.scorer, scorer_of(item)) for item, score in pairs if score.scorer != scorer_of(item)}
    )
    if other:
        said = "; ".join(f"by {then}, here is {now}" for then, now in other)
        raise StaffroomError(
            f"the evaluation was judged by other versions of the scorers: {said}",
            where=examined.digest,
            hint="judge it with the version of Staffroom of that time",
        )


def _facts(examined: Examined, *, shown: bool) -> dict[str, Any]:
    return {
        "evaluation": examined.digest,
        "agent": examined.evaluation.agent,
        "pack": examined.pack.digest,
        "name": examined.pack.name,
        "split": examined.evaluation.split.value,
        "items": len(examined.items),
        "shown": shown,
    }


def _called(item: Item, *, shown: bool) -> str:
    return item.id if shown else item.digest


def _require_home(home: Home) -> None:
    if not home.database.is_file():
        raise WrongUse("nothing was examined here yet", where=str(home.path), hint="staffroom hire JOB.yaml")
