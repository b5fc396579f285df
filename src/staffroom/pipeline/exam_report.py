"""What an exam report tells of one run or one measurement, gathered as plain JSON data; drawing it is the command line's work.

The log is the source of all that it holds. The home adds what makes it readable: the job's title, the currency, answers of
the screen split. Rules:
1. Of gate and sealed items nothing but sums is told, unless the gate was retired.
2. Persons and documents appear as in the log: as salted commitments.
3. It decides nothing, asks nobody and changes nothing; what cannot be shown is left out with the reason.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from staffroom import __version__
from staffroom.evaluate import ExamPack, against_candidate, load_pack
from staffroom.pipeline.alpha import may_be_shown
from staffroom.pipeline.coverage import last_coverage
from staffroom.pipeline.decision_log import LoggedEntry
from staffroom.pipeline.exam_report_target import ReportSubject, find_subject, kept_output
from staffroom.pipeline.releasing import assembly_of
from staffroom.pipeline.revive import revive
from staffroom.pipeline.telling_answers import MOST_ITEMS, telling_answers
from staffroom.records.decision import Decision
from staffroom.records.digests import digest_value
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.records.exam import Evaluation
from staffroom.records.job_description import JobDescription
from staffroom.release import draw_items, explain
from staffroom.stats import most_to_reject
from staffroom.store import (
    Database,
    Evaluations,
    Home,
    MissingObject,
    ObjectStore,
    Responses,
    to_text,
    utc_now,
)

__all__ = ["exam_report"]

_COMMITTED, _RACE, _OPENED = "exam-committed", "race", "gate-opened"
_EVALUATED, _DECIDED, _MEASURED = "evaluation", "decision", "exam"
_ORDER = (_COMMITTED, _RACE, _OPENED, _EVALUATED, _DECIDED)
_EXACT = "exact"

Json = dict[str, Any]


def exam_report(home: Home, target: str, *, pack: Path | None = None) -> Json:
    """Return the report's data on a run or a measurement.

    target: a job description, run id, job name, alias, or digest of an evaluation or a release.
    pack: folder of the exam pack, from which the screen items come; without it that of the job description named.
    Raises WrongUse where the target names nothing, or where `pack` is not the one that was used.
    """
    if not home.database.is_file():
        raise WrongUse("nothing was examined here yet", where=str(home.path), hint="staffroom hire JOB.yaml")
    with Database(home.database) as database:
        subject = find_subject(home, database, target)
        kept = _Kept(home, database, ObjectStore(home.objects), subject)
        committed = subject.first(_COMMITTED)
        body = _hire(kept, committed, pack) if committed is not None else _measured(kept, pack)
        return {
            "staffroom": __version__,
            "made": to_text(utc_now()),
            "run": subject.run,
            "dry_run": subject.rehearsal,
            **body,
            "entries": [
                {"index": item.index, "type": item.entry["type"], "at": item.entry["at"]}
                for item in subject.entries
            ],
            "log": _log(subject),
        }


@dataclass(frozen=True, slots=True)
class _Kept:
    """A subject, and the home that keeps more of it than the log holds."""

    home: Home
    database: Database
    objects: ObjectStore
    subject: ReportSubject

    def output(self, step: str) -> Json:
        """Return what a step of the run gave, an empty object where it is gone."""
        found = kept_output(self.database, self.objects, step, self.subject.run)
        return found[1] if found is not None and isinstance(found[1], dict) else {}

    def body(self, kind: str) -> Json:
        """Return the body of the run's entry of a type, an empty object where there is none."""
        found = self.subject.first(kind)
        return dict(found.entry["body"]) if found is not None else {}


# ---- a hire -----------------------------------------------------------------------------------------------------------


def _hire(kept: _Kept, committed: LoggedEntry, pack: Path | None) -> Json:
    rule, gate = dict(committed.entry["body"]), kept.body(_EVALUATED)
    decision = kept.body(_DECIDED)
    facets = _facets(rule, gate, decision, kept)
    seed = int(gate.get("seed", kept.subject.log.seed_after(committed.index)))
    return {
        "kind": "hire",
        "question": _question(kept, rule),
        "protocol": _protocol(kept, committed, rule, gate),
        "facets": facets,
        "measured": _measures(gate),
        "race": _race(kept, rule),
        "coverage": _coverage(kept, gate.get("agent")),
        "decision": _decision(kept, decision),
        "answers": _answers(kept, rule.get("pack", ""), _agents(kept, rule), seed, pack),
        "digests": _hire_digests(kept, rule, gate, decision),
    }


def _question(kept: _Kept, rule: Json) -> Json:
    manifest = kept.body("release").get("manifest", {})
    job = kept.subject.job or _released_job(kept)
    found = kept_output(kept.database, kept.objects, "commit", kept.subject.run)
    name = str(manifest.get("agent", {}).get("name", "")) or (found[0].removesuffix("/dry") if found else "")
    return {
        "job": name or (job.name if job else ""),
        "title": job.title if job else "",
        "alias": str(manifest.get("alias", "")) or (job.alias if job else ""),
        "pack": rule.get("name", ""),
        "version": rule.get("version"),
        "locale": rule.get("locale", ""),
        "examined": len(rule.get("agents", {})),
        "refused": sum(item.entry["type"] == "refusal" for item in kept.subject.entries),
        "sponsor": rule.get("sponsor"),
        "documents": rule.get("documents"),
        "begun": kept.subject.entries[0].entry["at"],
        "ended": kept.subject.entries[-1].entry["at"],
    }


def _agents(kept: _Kept, rule: Json) -> dict[str, str]:
    """Return the agents by candidate, in the order in which the race ended."""
    agents = dict(rule.get("agents", {}))
    ranked = [row["candidate"] for row in kept.body(_RACE).get("standings", ())]
    return {
        name: agents[name]
        for name in [*(n for n in ranked if n in agents), *(n for n in agents if n not in ranked)]
    }


def _released_job(kept: _Kept) -> JobDescription | None:
    release = str(kept.body("release").get("release", ""))
    if not release or kept.database.get_meta(f"assembly:{release}") is None:
        return None
    try:
        return assembly_of(kept.database, kept.objects, release)[1]
    except MissingObject:
        return None


def _protocol(kept: _Kept, committed: LoggedEntry, rule: Json, gate: Json) -> Json:
    """Return what was fixed beforehand, and whether the log shows it: entry, root, seed and order are checked anew."""
    subject, plan = kept.subject, rule.get("plan", {})
    root, seed = subject.log.root_after(committed.index), subject.log.seed_after(committed.index)
    places = [item.index for kind in _ORDER if (item := subject.first(kind)) is not None]
    return {
        "pack": rule.get("pack"),
        "splits": rule.get("splits", {}),
        "split_seed": rule.get("split_seed"),
        "facets": [_planned(row, plan.get("alpha")) for row in plan.get("facets", ())],
        "lifetime_alpha": rule.get("alpha"),
        "alpha": plan.get("alpha"),
        "use": rule.get("use"),
        "gate_split": rule.get("gate_split"),
        "cap": rule.get("cap"),
        "asking": rule.get("prompt_protocol", {}),
        "scorers": rule.get("scorers", []),
        "entry": committed.index,
        "at": committed.entry["at"],
        "size": committed.index + 1,
        "root": root,
        "seed": seed,
        "seed_holds": gate.get("seed", seed) == seed,
        "order_holds": places == sorted(places),
        "checkpoint": _checkpoint_before(kept.home, subject.run),
    }


def _planned(row: Mapping[str, Any], alpha: float | None) -> Json:
    """Return a facet's rule with the most right answers that would still fail it, which the rule implies."""
    exact = row.get("gated") and row.get("method") == _EXACT and alpha is not None
    most = most_to_reject(int(row["clusters"]), float(row["threshold"]), float(alpha or 0)) if exact else None
    return {**row, "most": most}


def _checkpoint_before(home: Home, run: str) -> str | None:
    path = home.private / "checkpoints" / run
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _facets(rule: Json, gate: Json, decision: Json, kept: _Kept) -> list[Json]:
    """Return one row a facet, gated ones first: what was measured, asked for and found."""
    verdicts = {row["facet"]: row for row in decision.get("facets", ())}
    plans = {row["facet"]: row for row in rule.get("plan", {}).get("facets", ())}
    doubtful = _sensitivity(kept, gate, plans)
    rows = [
        {
            **summary,
            "method": plans.get(summary["facet"], {}).get("method"),
            "least": plans.get(summary["facet"], {}).get("least"),
            **verdicts.get(summary["facet"], {}),
            **doubtful.get(summary["facet"], {}),
        }
        for summary in gate.get("facets", ())
    ]
    return sorted(rows, key=lambda row: not row.get("gated", False))


def _sensitivity(kept: _Kept, gate: Json, plans: Mapping[str, Json]) -> dict[str, Json]:
    """Return per facet how many items were a toss-up, and what is left where each of them counts as wrong.

    Sums only. Nothing where the kept evaluation is gone, or is not the one that the log names.
    """
    raw = kept.output("gate").get("evaluation")
    if raw is None:
        return {}
    evaluation = revive(Evaluation, raw)
    if evaluation.digest != gate.get("evaluation"):
        return {}
    harsh = against_candidate(evaluation.scores)
    drawn = draw_items(harsh, evaluation.seed)
    result: dict[str, Json] = {}
    for name in {score.facet for score in evaluation.scores}:
        values = [score.value for score in harsh if score.facet == name]
        gated = plans.get(name, {}).get("gated", False)
        result[name] = {
            "unstable": sum(score.unstable for score in evaluation.scores if score.facet == name),
            "score_against": sum(values) / len(values),
            "passed_against": sum(score.value for score in drawn[name]) if gated else None,
        }
    return result


def _measures(gate: Json) -> Json | None:
    if not gate:
        return None
    names = ("tokens_in", "tokens_out", "wrong_language", "split")
    return {name: gate.get(name) for name in names}


# ---- the race ---------------------------------------------------------------------------------------------------------


def _race(kept: _Kept, rule: Json) -> Json | None:
    race = kept.body(_RACE)
    if not race:
        return None
    models = {
        item.entry["body"]["candidate"]["id"]: item.entry["body"]
        for item in kept.subject.entries
        if item.entry["type"] in ("admission", "refusal")
    }
    shown = {row["candidate"]: row for row in kept.output("race").get("rows", ())}
    left = {row["candidate"]: row for row in race.get("eliminations", ())}
    return {
        **{
            name: race.get(name)
            for name in ("outcome", "winner", "separated", "reason", "items", "alpha", "margin")
        },
        "cap": rule.get("cap"),
        "started": len(race.get("standings", ())),
        "candidates": [
            _runner(row, models.get(row["candidate"], {}), shown.get(row["candidate"], {}), left)
            for row in race.get("standings", ())
        ],
        "refused": [
            {**_model(row), "candidate": name, "reasons": [dict(reason) for reason in row.get("reasons", ())]}
            for name, row in models.items()
            if not row.get("admitted", True)
        ],
    }


def _runner(standing: Json, admission: Json, shown: Json, left: Mapping[str, Json]) -> Json:
    name = standing["candidate"]
    return {
        **standing,
        **_model(admission),
        "currency": shown.get("currency", ""),
        "facets": shown.get("facets", []),
        "left": {key: left[name].get(key) for key in ("items", "beaten_by", "log_e_value", "reason")}
        if name in left
        else None,
    }


def _model(admission: Json) -> Json:
    candidate, facts = admission.get("candidate") or {}, admission.get("facts") or {}
    model = candidate.get("model") or {}
    return {
        "name": model.get("name", ""),
        "maker": model.get("maker", ""),
        "license": model.get("license", ""),
        "bytes": model.get("bytes"),
        "parameters": facts.get("parameters"),
        "quantisation": facts.get("quantisation", ""),
        "endpoint": bool(candidate.get("endpoint")),
    }


def _coverage(kept: _Kept, agent: str | None) -> Json | None:
    """Return the last report on the job's tasks for this worker, None where `exam coverage` made none or it is gone."""
    if agent is None:
        return None
    try:
        return last_coverage(kept.home, agent)
    except MissingObject:
        return None


# ---- the decision -----------------------------------------------------------------------------------------------------


def _decision(kept: _Kept, decision: Json) -> Json | None:
    if not decision:
        return None
    signed, released = kept.body("sign-off"), kept.body("release")
    return {
        "verdict": decision["verdict"],
        "reason": decision["reason"],
        "reasons": _reasons(decision),
        "alpha": decision.get("alpha"),
        "agent": decision.get("agent"),
        "signed": {name: signed.get(name) for name in ("signed_by", "sponsor", "how")} if signed else None,
        "release": released.get("release"),
    }


def _reasons(decision: Json) -> dict[str, str]:
    """Return the reason by language; only as it was logged where this version cannot read the decision."""
    try:
        read = revive(Decision, decision)
    except StaffroomError:
        return {"en": str(decision["reason"])}
    return {"en": str(decision["reason"]), "zh-TW": explain(read, "zh-TW")}


# ---- a measurement ----------------------------------------------------------------------------------------------------


def _measured(kept: _Kept, pack: Path | None) -> Json:
    """Return the data on an `exam run`, which measures and decides nothing."""
    body = kept.body(_MEASURED)
    if not body:
        raise WrongUse(
            f"run {kept.subject.run} has neither a committed exam nor a measurement",
            hint="staffroom log show",
        )
    found = [
        item
        for digest in body.get("evaluations", {}).values()
        if (item := Evaluations(kept.database).get(str(digest))) is not None
    ]
    answers = _answers(kept, body["pack"], _others(kept, body), body["seed"], pack)
    own = answers.pop("pack", None) or {}
    return {
        "kind": "exam",
        "question": {
            "alias": body["alias"],
            "pack": own.get("name", ""),
            "version": own.get("version"),
            "locale": own.get("locale", ""),
            "ended": kept.subject.entries[-1].entry["at"],
        },
        "protocol": {
            "pack": body["pack"],
            "seed": body["seed"],
            "splits": {item.split: {"items": len(item.value["scores"])} for item in found},
        },
        "facets": list(body["facets"]),
        "measured": {
            "tokens_in": sum(item.value["tokens_in"] for item in found),
            "tokens_out": sum(item.value["tokens_out"] for item in found),
            "wrong_language": body.get("wrong_language"),
        },
        "race": None,
        "coverage": _coverage(kept, body["agent"]),
        "decision": None,
        "answers": answers,
        "digests": [
            _named("pack", body["pack"]),
            _named("agent", body["agent"], body["alias"]),
            *(_named("evaluation", digest, split) for split, digest in body.get("evaluations", {}).items()),
        ],
    }


def _others(kept: _Kept, body: Json) -> dict[str, str]:
    """Return alias -> agent of the measurements with the same pack and seed, each agent once, this one first."""
    found = {body["agent"]: body["alias"]}
    for item in kept.subject.everything:
        other = item.entry["body"]
        if item.entry.get("type") == _MEASURED and (other["pack"], other["seed"]) == (
            body["pack"],
            body["seed"],
        ):
            found.setdefault(other["agent"], other["alias"])
    names = list(found.values())
    # One alias may have had several releases: then the agent's digest tells them apart.
    return {
        alias if names.count(alias) == 1 else f"{alias} ({agent[7:15]})": agent
        for agent, alias in found.items()
    }


# ---- answers, digests, log ----------------------------------------------------------------------------------------------


def _answers(kept: _Kept, digest: str, agents: Mapping[str, str], seed: int, folder: Path | None) -> Json:
    """Return the telling answers, or why there are none: `no-pack`, `other-pack` or `one-candidate`."""
    pack = _pack(kept, digest, folder)
    if isinstance(pack, str):
        return {"items": [], "left_out": pack, "most": MOST_ITEMS}
    items = telling_answers(
        pack, Responses(kept.database), agents, seed, splits=may_be_shown(kept.home, pack)
    )
    about = {"name": pack.name, "version": pack.version, "locale": pack.locale}
    return {"items": items, "left_out": "" if items else "one-candidate", "most": MOST_ITEMS, "pack": about}


def _pack(kept: _Kept, digest: str, folder: Path | None) -> ExamPack | str:
    if folder is not None:
        pack = load_pack(folder)
        if pack.digest != digest:
            raise WrongUse(
                f"this is not the pack that was used ({digest})",
                where=str(folder),
                hint="name the folder as it was then, or leave --pack out",
            )
        return pack
    if kept.subject.job is None or kept.subject.folder is None:
        return "no-pack"
    try:
        pack = load_pack(kept.subject.folder / kept.subject.job.exam)
    except WrongUse:
        return "other-pack"
    return pack if pack.digest == digest else "other-pack"


def _hire_digests(kept: _Kept, rule: Json, gate: Json, decision: Json) -> list[Json]:
    released = kept.body("release")
    splits = rule.get("splits", {})
    weights = {
        item.entry["body"]["candidate"]["id"]: (item.entry["body"]["candidate"].get("model") or {}).get(
            "digest"
        )
        for item in kept.subject.entries
        if item.entry["type"] == "admission"
    }
    asking = rule.get("prompt_protocol", {})
    rows: Iterable[Json] = [
        _named("pack", rule.get("pack")),
        *(_named("split", row.get("digest") or row.get("commitment"), name) for name, row in splits.items()),
        *(_named("weights", digest, name) for name, digest in weights.items()),
        *(_named("agent", digest, name) for name, digest in rule.get("agents", {}).items()),
        *(_named(name, asking.get(name)) for name in ("prompt", "policy")),
        _named("documents", rule.get("documents")),
        _named("sponsor", rule.get("sponsor")),
        _named("evaluation", gate.get("evaluation")),
        _named("responses", gate.get("responses")),
        _named("decision", digest_value(decision) if decision else None),
        _named("release", released.get("release")),
    ]
    return [row for row in rows if row["digest"]]


def _named(what: str, digest: Any, of: str = "") -> Json:
    return {"what": what, "of": of, "digest": digest}


def _log(subject: ReportSubject) -> Json:
    """Return the log's state as this report found it, every hash and signature recomputed."""
    found = subject.log.verify()
    checkpoint = subject.log.checkpoint()
    return {
        "origin": checkpoint.split("\n", 1)[0],
        "size": found.size,
        "root": found.root,
        "ok": found.ok,
        "problems": [{"where": problem.where, "what": problem.what} for problem in found.problems],
        "checkpoint": checkpoint,
    }
