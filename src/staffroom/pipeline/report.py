"""The object that `hire --json` prints, from what a run kept."""

from collections.abc import Mapping, Sequence
from typing import Any

from staffroom.evaluate import declined_share
from staffroom.pipeline.runner import Runner
from staffroom.records.decision import Decision, Verdict
from staffroom.records.exam import Evaluation, FacetSummary, Kind, Score
from staffroom.release import explain

__all__ = ["EXIT_CODES", "explained", "finished"]

EXIT_CODES: Mapping[Verdict, int] = {Verdict.PROMOTED: 0, Verdict.REJECTED: 1, Verdict.UNDECIDED: 4}
"""Status with which the command line ends, by verdict."""


def explained(runner: Runner) -> dict[str, Any]:
    """Return what `--explain` says: each step looked at, and why it would run."""
    return {
        "explained": [
            {"step": item.step, "reason": item.reason.value, "detail": item.detail}
            for item in runner.explained
        ],
        "unchanged": not runner.anything_ran
        and all(item.reason.value == "kept" for item in runner.explained),
    }


def finished(
    *,
    run: str,
    alias: str,
    runner: Runner,
    admitted: dict[str, Any],
    indexed: dict[str, Any],
    committed: dict[str, Any],
    raced: dict[str, Any],
    evaluation: Evaluation,
    decision: Decision,
    screened: Sequence[Score],
    kinds: Sequence[FacetSummary],
    released: dict[str, Any] | None,
    seconds: float,
    dry_run: bool,
) -> dict[str, Any]:
    """Return the result of a run; `facets` count the gate split only, `kinds` screen and gate of the winner."""
    scores = [*screened, *evaluation.scores]
    refused = [
        {
            "candidate": name,
            "maker": row["candidate"]["model"]["maker"] if row["candidate"]["model"] else "",
            "license": row["candidate"]["model"]["license"] if row["candidate"]["model"] else "",
            "admitted": False,
            "reasons": [reason["text"] for reason in row["reasons"]],
        }
        for name, row in admitted["rows"].items()
        if not row["admitted"]
    ]
    tokens = sum(row["tokens"] for row in raced["rows"]) + evaluation.tokens_in + evaluation.tokens_out
    return {
        "run": run,
        "verdict": decision.verdict.value,
        "reason": decision.reason,
        "reasons": {"en": explain(decision, "en"), "zh-TW": explain(decision, "zh-TW")},
        "release": released["release"] if released else None,
        "alias": alias,
        "state": released.get("state") if released else None,
        "facets": [facet.as_json() for facet in decision.facets],
        "kinds": [_kind(kind) for kind in kinds],
        "candidates": [*raced["rows"], *refused],
        "seconds": round(seconds, 3),
        "tokens": tokens,
        "winner": raced["winner"],
        "race": {"separated": raced["separated"], "reason": raced["reason"]},
        "declined": {
            "unanswerable": list(declined_share(scores, Kind.UNANSWERABLE)),
            "answerable": list(declined_share(scores, Kind.SHORT)),
        },
        "wrong_language": evaluation.wrong_language,
        "alpha": decision.alpha,
        "seed": committed["seed"],
        "documents": indexed,
        "checkpoint": committed["checkpoint"],
        "dry_run": dry_run,
        **explained(runner),
    }


def _kind(summary: FacetSummary) -> dict[str, Any]:
    row = summary.as_json()
    row["kind"] = row.pop("facet")
    return row
