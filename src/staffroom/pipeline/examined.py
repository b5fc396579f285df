"""What a kept evaluation is about: which items, which answers, and of what its agent was made.

The log names an evaluation; the home keeps its rows and its answers. A hire keeps beside them what each of its agents was
made of and where its exam pack lies, in the home alone: so that one who lost can be asked again too.
It asks nobody, judges nothing and writes nothing to the log.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffroom.evaluate import ExamPack, load_pack
from staffroom.pipeline.assemble import Assembly
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.exam_report_target import kept_output
from staffroom.pipeline.examination import Bench
from staffroom.pipeline.orders import Prepared
from staffroom.pipeline.releasing import assembly_of
from staffroom.pipeline.revive import revive
from staffroom.records.digests import canonical_json, digest_value
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.exam import Evaluation, Item, Response
from staffroom.store import Database, Evaluations, Home, ObjectStore, Releases, Responses

__all__ = [
    "Examined",
    "MadeOf",
    "evaluation_called",
    "find_examined",
    "keep_examined",
    "keep_place",
    "made_of",
]

_LEAST_PREFIX = 6
_HINT = "staffroom log show"


@dataclass(frozen=True, slots=True)
class Examined:
    """A kept evaluation with the items it is about, in its order, and the kept answers by item id."""

    digest: str
    evaluation: Evaluation
    pack: ExamPack
    items: tuple[Item, ...]
    responses: dict[str, Response]


@dataclass(frozen=True, slots=True)
class MadeOf:
    """What an agent was made of: its manifest, its parts, and the engine's identity where that was kept."""

    spec: dict[str, Any]
    assembly: Assembly
    engine: dict[str, Any] | None


def keep_examined(
    database: Database, objects: ObjectStore, prepared: Prepared, index: str, bench: Bench
) -> None:
    """Keep what the agents of a bench are made of, and where pack and job lie; the same again changes nothing.

    index: digest of the index that the job's documents gave.
    """
    database.set_meta(f"documents:{index}", canonical_json(prepared.documents).decode())
    keep_place(database, prepared.pack)
    database.set_meta(f"job-file:{prepared.job.alias}", str(prepared.file))
    for name, assembly in bench.assemblies.items():
        spec = bench.agent(name).spec
        kept = objects.put_json(
            {
                "spec": spec.as_json(),
                "assembly": assembly.as_json(),
                "engine": bench.engine_of(name).as_json(),
            }
        )
        database.set_meta(f"examined:{spec.digest}", kept)


def keep_place(database: Database, pack: ExamPack) -> None:
    """Keep where a pack lies, so that its evaluations can be looked at again without naming it."""
    database.set_meta(f"pack:{pack.digest}", str(pack.folder.absolute()))


def evaluation_called(name: str, digests: Iterable[str]) -> str | None:
    """Return the digest that is named in full or by its beginning, with or without `sha256:`; None where there is none.

    Raises WrongUse where several begin so.
    """
    sought = f"sha256:{name.removeprefix('sha256:')}"
    begins = len(sought) >= len("sha256:") + _LEAST_PREFIX
    fits = sorted(digest for digest in digests if digest == sought or (begins and digest.startswith(sought)))
    if len(fits) > 1:
        raise WrongUse(f"`{name}` stands for several evaluations", hint=f"name one in full: {' '.join(fits)}")
    return fits[0] if fits else None


def find_examined(home: Home, database: Database, name: str, folder: Path | None = None) -> Examined:
    """Return the evaluation that a digest, or the beginning of one, names.

    folder: where the pack lies; without it, where it lay when it was used.
    Raises WrongUse where nothing or several things are named, or the pack is another one or cannot be found; StaffroomError
    where the home no longer has what the log names.
    """
    objects = ObjectStore(home.objects)
    digest, run = _named(home, objects, name)
    evaluation = revive(Evaluation, _value(database, objects, digest, run))
    pack = _pack(database, evaluation.pack, folder)
    items = pack.items_of(evaluation.split)
    if [item.id for item in items] != [score.item_id for score in evaluation.scores]:
        raise StaffroomError(
            "the evaluation is not about these items", where=digest, hint="staffroom log verify"
        )
    sink, responses = Responses(database), {}
    for item in items:
        found = sink.get(evaluation.agent, item.digest, evaluation.seed)
        if found is None:
            raise StaffroomError(
                "a kept answer is gone",
                where=digest,
                hint="restore the home from a backup, then the same command",
            )
        responses[item.id] = found
    return Examined(digest, evaluation, pack, tuple(items), responses)


def made_of(database: Database, objects: ObjectStore, agent: str) -> MadeOf:
    """Return what the agent of this digest was made of; raises WrongUse where that was not kept."""
    kept = database.get_meta(f"examined:{agent}")
    if kept is not None:
        value = objects.get_json(kept)
        return MadeOf(value["spec"], Assembly.from_json(value["assembly"]), value["engine"])
    releases = Releases(database)
    for alias in releases.aliases():
        for release in releases.of(alias):
            if digest_value(release.agent) == agent:
                return MadeOf(release.agent, assembly_of(database, objects, release.digest)[0], None)
    raise WrongUse(
        "of what this agent was made is not kept: it was never released, and no hire of this version examined it",
        where=agent,
        hint="`staffroom exam rerun EVALUATION --judge-only` needs no agent; the same `staffroom hire` again keeps what is "
        "missing",
    )


def _named(home: Home, objects: ObjectStore, name: str) -> tuple[str, str]:
    """Return the digest of the evaluation that is meant, and the run that the log names beside it."""
    found: dict[str, str] = {}
    for rehearsal in (False, True):
        for item in DecisionLog(home, rehearsal=rehearsal).entries():
            body = item.entry.get("body", {})
            if set(body) == {"kept_as", "bytes"}:
                body = objects.get_json(str(body["kept_as"]))
            for digest in _evaluations_in(body):
                found.setdefault(digest, str(item.entry.get("run", "")))
    meant = evaluation_called(name, found)
    if meant is None:
        raise WrongUse(f"the log names no evaluation `{name}`", where=str(home.path), hint=_HINT)
    return meant, found[meant]


def _evaluations_in(body: dict[str, Any]) -> Iterable[str]:
    if isinstance(body.get("evaluation"), str):
        yield body["evaluation"]
    if isinstance(body.get("evaluations"), dict):
        yield from map(str, body["evaluations"].values())


def _value(database: Database, objects: ObjectStore, digest: str, run: str) -> dict[str, Any]:
    kept = Evaluations(database).get(digest)
    value = None if kept is None else kept.value
    if value is None:
        step = kept_output(database, objects, "gate", run)
        value = None if step is None else step[1].get("evaluation")
    if value is None or digest_value(value) != digest:
        raise StaffroomError(
            "the home does not have this evaluation as the log names it",
            where=digest,
            hint="restore the home from a backup, then the same command",
        )
    return dict(value)


def _pack(database: Database, digest: str, folder: Path | None) -> ExamPack:
    place = str(folder) if folder is not None else database.get_meta(f"pack:{digest}")
    if place is None or (folder is None and not Path(place).is_dir()):
        raise WrongUse(
            "where the exam pack lies is not known here, or it lies there no more",
            where=place or digest,
            hint="name its folder: staffroom exam rerun EVALUATION --pack PACK",
        )
    pack = load_pack(Path(place))
    if pack.digest != digest:
        raise WrongUse(
            f"this is not the pack that was used ({digest})",
            where=place,
            hint="name the folder as it was then: staffroom exam rerun EVALUATION --pack PACK",
        )
    return pack
