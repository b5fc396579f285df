"""Exams outside a hire: check a pack, let a released worker sit one, and the schema of the pack's files.

An exam that is run here measures and decides nothing: it opens no gate and charges no alpha. The sealed split is
never asked, and answers are given as sums only.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from staffroom.evaluate import (
    ExamFile,
    ExamPack,
    ItemLine,
    check_pack,
    correct_judged,
    correct_refusals,
    load_pack,
    summarize_facets,
    summarize_kinds,
)
from staffroom.evaluate.locale_answers import answer_rates
from staffroom.onboard.chunks import chunk_document
from staffroom.onboard.documents import list_documents, read_documents
from staffroom.pipeline.decision_log import DecisionLog
from staffroom.pipeline.examined import keep_place
from staffroom.pipeline.judges import closing_judges, require_judges
from staffroom.pipeline.sitting import require_locale, sit
from staffroom.records.digests import digest_value
from staffroom.records.errors import WrongUse
from staffroom.records.exam import FacetSummary, Split
from staffroom.records.protocols import Agent, Progress
from staffroom.store import Database, Evaluations, Home, Responses

__all__ = ["check_exam", "exam_schema", "item_schema", "sit_exam"]

_ASKED = (Split.SCREEN, Split.GATE)


def check_exam(folder: Path, documents: Sequence[Path], progress: Progress) -> dict[str, Any]:
    """Return what `exam check` finds in a pack; `documents` are what an agent may retrieve, to find leaks.

    Raises WrongUse for a pack that does not load and BadDocument for a document that cannot be read.
    """
    pack = load_pack(folder)
    findings = check_pack(pack, _chunk_texts(documents, progress))
    splits = {
        split.value: {"items": len(pack.items_of(split)), "clusters": pack.clusters_of(split)}
        for split in Split
    }
    facets = {
        name: {"threshold": rule.threshold, "gated": rule.gated, "method": rule.method}
        for name, rule in sorted(pack.facets.items())
    }
    return {
        "pack": pack.digest,
        "name": pack.name,
        "version": pack.version,
        "locale": pack.locale,
        "items": len(pack.items),
        "splits": splits,
        "facets": facets,
        "judges": {name: judge.digest for name, judge in sorted(pack.judges.items())},
        "documents": len(documents),
        "findings": [
            {
                "severity": finding.severity.value,
                "item": finding.item,
                "line": pack.lines.get(finding.item),
                "text": finding.text,
            }
            for finding in findings
        ],
        "ok": not any(finding.severity.value == "error" for finding in findings),
    }


async def sit_exam(
    agent: Agent,
    alias: str,
    folder: Path,
    home: Home,
    progress: Progress,
    *,
    seed: int = 0,
    other_locale: bool = False,
) -> dict[str, Any]:
    """Let an agent whose engine runs sit the screen and gate splits of a pack, and keep and log what was measured.

    Responses are kept as they come: the same call goes on after an interruption. Measuring the same again adds no
    entry to the log. Nothing else may examine or open anything in this home meanwhile.
    other_locale: the exam may be for another locale than the worker's; the log says so.
    """
    pack = load_pack(folder)
    if not other_locale:
        require_locale(pack, agent.spec.locale)
    require_judges(home.ensure(), pack)
    with home.lock("hire"), Database(home.database) as database:
        keep_place(database, pack)
        progress.stage(f"exam {pack.name}", sum(len(pack.items_of(split)) for split in _ASKED))
        sink = Responses(database)
        async with closing_judges(home) as judges:
            done = [
                await sit(agent, pack.items_of(split), pack, split, seed, sink, progress, judges)
                for split in _ASKED
            ]
        kept = Evaluations(database)
        digests = {
            item.split.value: kept.put(
                agent=item.agent, pack=item.pack, split=item.split.value, seed=seed, value=item.as_json()
            )
            for item in done
        }
        answers = _answer_rates(agent, pack, sink, seed)
    scores = [score for item in done for score in item.scores]
    facets = summarize_facets(scores)
    body = {
        "alias": alias,
        "agent": agent.spec.digest,
        "pack": pack.digest,
        "seed": seed,
        "evaluations": digests,
        "facets": [facet.as_json() for facet in facets],
        "wrong_language": sum(item.wrong_language for item in done),
    }
    if pack.locale != agent.spec.locale:
        body["exam_locale"] = pack.locale
    key = digest_value(body)
    entry = DecisionLog(home).append("exam", f"exam:{key}", f"exam-{key[7:19]}", body)
    return {
        **body,
        "name": pack.name,
        "items": len(scores),
        "kinds": [_kind(kind) for kind in summarize_kinds(scores)],
        "unscored": sum(facet.unscored for facet in facets),
        "locale_answers": answers,
        "corrected": [
            rate.as_json() for rate in (*correct_refusals(pack.items, scores), *correct_judged(pack, scores))
        ],
        "uncalibrated": sorted(name for name, judge in pack.judges.items() if judge.calibration is None),
        "tokens": sum(item.tokens for item in done),
        "seconds": round(sum(item.seconds for item in done), 3),
        "log_entry": entry,
    }


def exam_schema() -> dict[str, Any]:
    """Return the JSON Schema of exam.yaml."""
    return ExamFile.model_json_schema()


def item_schema() -> dict[str, Any]:
    """Return the JSON Schema of a line of items.jsonl."""
    return ItemLine.model_json_schema()


def _answer_rates(agent: Agent, pack: ExamPack, sink: Responses, seed: int) -> dict[str, Any] | None:
    """Return how many open answers are not as the pack's locale writes, None where it has no rules."""
    items = [item for split in _ASKED for item in pack.items_of(split)]
    kept = ((item, sink.get(agent.spec.digest, item.digest, seed)) for item in items)
    responses = {item.id: response for item, response in kept if response is not None}
    return answer_rates(items, responses, pack.locale, pack.answer_rules)


def _kind(summary: FacetSummary) -> dict[str, Any]:
    row = summary.as_json()
    row["kind"] = row.pop("facet")
    return row


def _chunk_texts(documents: Sequence[Path], progress: Progress) -> Iterator[str]:
    if not documents:
        return
    for path in documents:
        if not path.exists():
            raise WrongUse(
                "no such document", where=str(path), hint="staffroom exam check PACK --documents PATH"
            )
    files = list_documents(documents)
    progress.stage("reading documents", len(files))
    read, _ = read_documents(
        documents, allow_skip=False, on_document=lambda name, _number, _of: progress.advance(1, name)
    )
    for document in read:
        for chunk in chunk_document(document):
            yield chunk.text
