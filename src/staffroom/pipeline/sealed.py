"""The sealed split of a pack, opened once: by a named person, for one worker, with the entry in the log before the first item.

1. Refuse what cannot be opened: opened before, asked before in another split, no items, another locale.
2. Start the worker as it was released. Only when it could answer is anything spent.
3. Record the commitment where no run published it yet, then the marks, then the opening with the plan of its tests.
4. Derive the seed from the tree that ends with the opening; ask; keep each response as it comes.
5. Record sums and nothing else. The split is spent, also where step 4 was never finished.

A run that was killed goes on under its entry: same worker, same pack. It decides nothing and charges no alpha: the one test of each
facet is at the pack's lifetime alpha, because the split is used only once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from staffroom.evaluate import ExamPack, load_pack, sealed_commitment
from staffroom.pipeline.alpha import AlphaLedger, Closed, ItemSet, Why, item_set, mark, said_of
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.judges import closing_judges, require_judges
from staffroom.pipeline.service import open_worker
from staffroom.pipeline.sitting import require_locale, sit
from staffroom.pipeline.workers import show_worker
from staffroom.records.agent import AgentSpec
from staffroom.records.digests import digest_value
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Evaluation, Split
from staffroom.records.protocols import Progress
from staffroom.release import GatePlan, judge_facets, plan_gate
from staffroom.store import Database, Evaluations, Home, Responses

__all__ = ["preview_unseal", "unseal"]

_OPENED, _MEASURED = "sealed-opened", "sealed-evaluation"
_WORDS: Mapping[str, str] = {
    "promoted": "above",
    "rejected": "below",
    "undecided": "neither",
    "reported": "not tested",
}


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A pack's sealed split, by the commitment under which it was published first (`committed_in`, None: never)."""

    pack: ExamPack
    items: ItemSet
    committed_in: int | None
    plan: GatePlan

    @property
    def run(self) -> str:
        return f"unseal-{self.items.id.removeprefix('sha256:')[:12]}"


def preview_unseal(home: Home, alias: str, folder: Path) -> dict[str, Any]:
    """Return what `unseal` would open, or raise WrongUse where it may not; it changes nothing that is published."""
    pack = load_pack(folder)
    if not home.database.exists():
        raise WrongUse("no worker has been released in this home", hint="staffroom hire JOB.yaml")
    require_locale(pack, str(show_worker(home, alias)["locale"]))
    with home.lock("hire"):
        log = DecisionLog(home)
        sealed = _sealed(log, pack)
        goes_on = _require_unspent(log, sealed, alias, agent=None)
    return {**_facts(sealed, alias), "goes_on": goes_on is not None}


async def unseal(
    home: Home, alias: str, folder: Path, by: str, how: Literal["terminal", "--yes"], progress: Progress
) -> dict[str, Any]:
    """Open the sealed split for a released worker, examine it, and return sums; works once for ever.

    by: office or name of the person who opens it; the log gets a commitment to it.
    Raises WrongUse where the split is spent, says since when and by whom.
    """
    pack = load_pack(folder)
    if not by.strip():
        raise WrongUse("a sealed split is opened by a named person", hint='--by "office or name"')
    require_judges(home.ensure(), pack)
    with home.lock("hire"):
        log = DecisionLog(home)
        sealed = _sealed(log, pack)
        _require_unspent(log, sealed, alias, agent=None)
        async with open_worker(home, alias) as worker, closing_judges(home) as judges:
            spec = worker.agent.spec
            require_locale(pack, spec.locale)
            index = _require_unspent(log, sealed, alias, agent=spec.digest)
            if index is None:
                index = _open(log, sealed, alias, worker.release, spec, by.strip(), how)
            seed, items = log.seed_after(index), pack.items_of(Split.SEALED)
            with Database(home.database) as database:
                progress.stage(f"sealed split of {pack.name}", len(items))
                evaluation = await sit(
                    worker.agent, items, pack, Split.SEALED, seed, Responses(database), progress, judges
                )
                kept = Evaluations(database).put(
                    agent=evaluation.agent,
                    pack=evaluation.pack,
                    split=Split.SEALED.value,
                    seed=seed,
                    value=evaluation.as_json(),
                )
        body = _sums(sealed, alias, evaluation, kept)
        entry = log.append(_MEASURED, f"{sealed.run}:evaluation", sealed.run, body)
        return {**_facts(sealed, alias), **body, "opened_in": index, "log_entry": entry}


def _sealed(log: DecisionLog, pack: ExamPack) -> _Sealed:
    if not pack.items_of(Split.SEALED):
        raise WrongUse(
            "this pack has no sealed items",
            where=str(pack.folder / "exam.yaml"),
            hint="give `splits.sealed` a share, before anybody sits the exam",
        )
    committed_in, commitment = _published(log, pack)
    if committed_in is None:
        commitment = sealed_commitment(pack, log.kept_salt(f"sealed {pack.digest}"))
    plan = plan_gate(pack.facets, pack.clusters_of(Split.SEALED), pack.alpha)
    return _Sealed(pack, item_set(log, pack, Split.SEALED, commitment), committed_in, plan)


def _published(log: DecisionLog, pack: ExamPack) -> tuple[int | None, str]:
    """Return where and as what these sealed items were committed to first, by whichever version of a pack."""
    for logged in log.entries():
        kind, body = logged.entry.get("type"), logged.entry.get("body", {})
        row = body.get("splits", {}).get("sealed", {}) if kind == "exam-committed" else body.get("sealed", {})
        if kind not in ("exam-committed", "sealed-committed") or "commitment" not in row:
            continue
        salt = log.salt(f"sealed {body['pack']}")
        if salt is not None and sealed_commitment(pack, salt) == row["commitment"]:
            return logged.index, str(row["commitment"])
    return None, ""


def _require_unspent(log: DecisionLog, sealed: _Sealed, alias: str, *, agent: str | None) -> int | None:
    """Return the entry under which this command goes on, None where it is the first; raise WrongUse where spent.

    agent: digest of the agent that is to be asked; None while its engine does not run yet.
    """
    ledger, where = AlphaLedger.read(log), str(sealed.pack.folder)
    closings = ledger.closings_of(sealed.items)
    closed = next((one for one in closings if one.why is Why.UNSEALED), None)
    if closed is not None:
        body = log.entries()[closed.entry].entry["body"]
        wanted = {"alias": alias, "pack": sealed.pack.digest, "commitment": sealed.items.id}
        if agent is not None:
            wanted["agent"] = agent
        same = all(body.get(name) == value for name, value in wanted.items())
        if same and log.find(f"{sealed.run}:evaluation") is None:
            return closed.entry
        raise WrongUse(_spent(log, sealed, closed, str(body.get("alias"))), where=where, hint=_AGAIN)
    if closings:
        raise WrongUse(
            f"some of its questions were retired {said_of(log, closings[0])}: they are sealed no more",
            where=where,
            hint=_AGAIN,
        )
    if ledger.asked(sealed.items):
        raise WrongUse(
            "some of its questions were asked before, in the screen or gate of another version of the pack: "
            "they are sealed no more",
            where=where,
            hint="put `splits` back to what it was, or write new items",
        )
    return None


_AGAIN = "write new items from new sources; a hire with them publishes their commitment"


def _spent(log: DecisionLog, sealed: _Sealed, closed: Closed, alias: str) -> str:
    result = log.find(f"{sealed.run}:evaluation")
    where = f"; its result is entry {result.index}" if result is not None else ""
    return f"the sealed split was opened for `{alias}` {said_of(log, closed)}{where}: it is spent for ever"


def _open(
    log: DecisionLog, sealed: _Sealed, alias: str, release: str, spec: AgentSpec, by: str, how: str
) -> int:
    pack, run = sealed.pack, sealed.run
    committed_in = sealed.committed_in
    items = pack.items_of(Split.SEALED)
    size = {"items": len(items), "clusters": len({item.cluster for item in items})}
    if committed_in is None:
        row = {"pack": pack.digest, "sealed": {**size, "commitment": sealed.items.id}}
        committed_in = log.append("sealed-committed", f"{run}:commit", run, row)
    mark(log, run, sealed.items)
    body = {
        **size,
        "alias": alias,
        "release": release,
        "agent": spec.digest,
        "pack": pack.digest,
        "commitment": sealed.items.id,
        "committed_in": committed_in,
        "plan": sealed.plan.as_json(),
        "by": log.commitment_to("person", by),
        "how": how,
    }
    return log.append(_OPENED, f"{run}:open", run, body)


def _sums(sealed: _Sealed, alias: str, evaluation: Evaluation, digest: str) -> dict[str, Any]:
    verdicts = judge_facets(evaluation, sealed.plan, seed=evaluation.seed)
    facets = []
    for row in (verdict.as_json() for verdict in verdicts):
        row["shown"] = _WORDS[row.pop("verdict")]
        facets.append(row)
    return {
        "alias": alias,
        "agent": evaluation.agent,
        "pack": evaluation.pack,
        "commitment": sealed.items.id,
        "seed": evaluation.seed,
        "alpha": sealed.plan.alpha,
        "evaluation": digest,
        "facets": facets,
        "kinds": [kind.as_json() for kind in evaluation.kinds],
        "tokens_in": evaluation.tokens_in,
        "tokens_out": evaluation.tokens_out,
        "wrong_language": evaluation.wrong_language,
        "responses": digest_value(list(evaluation.responses)),
    }


def _facts(sealed: _Sealed, alias: str) -> dict[str, Any]:
    return {
        "alias": alias,
        "name": sealed.pack.name,
        "version": sealed.pack.version,
        "items": len(sealed.pack.items_of(Split.SEALED)),
        "committed_in": sealed.committed_in,
    }
