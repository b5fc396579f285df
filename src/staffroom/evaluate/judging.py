"""Let the judges of a pack say their word on kept answers, each word once, and keep it beside the answers.

A word is kept as a response of its own: its agent is the judge's digest, what it answers is the digest of the judged
answer. So the same answer never gets a second word, and scoring the kept answers again needs no judge.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from staffroom.engine.protocols import Engine
from staffroom.evaluate.calibration import CorrectedRate
from staffroom.evaluate.judge import JudgeEntry, Judgement, JudgeSilent, judge_answer, judged_rate
from staffroom.evaluate.pack import ExamPack
from staffroom.evaluate.scorers import score_responses
from staffroom.records.digests import digest_value
from staffroom.records.exam import Item, Response, Score, ScoreStatus
from staffroom.records.protocols import ResponseSink
from staffroom.stats import cluster_interval

__all__ = ["correct_judged", "judge_responses", "judged_digest", "kept_judgements", "score_kept"]

_SEED = 0


def judged_digest(item: Item, response: Response) -> str:
    """Return the digest of what a judge is shown: the question and the answer as served."""
    return digest_value({"item": item.digest, "text": response.text})


def kept_judgements(
    pack: ExamPack, items: Sequence[Item], responses: Mapping[str, Response], sink: ResponseSink
) -> dict[str, Judgement]:
    """Return the words that are kept, by item id; an answer that waits for its judge has none."""
    found: dict[str, Judgement] = {}
    for item, response, judge in _judged(pack, items, responses):
        word = sink.get(judge.digest, judged_digest(item, response), _SEED)
        if word is not None and not word.error:
            probability = word.option_probabilities[0]
            found[item.id] = Judgement(item.id, probability > 0.5, probability, judge.digest)
    return found


def score_kept(
    pack: ExamPack, items: Sequence[Item], responses: Mapping[str, Response], sink: ResponseSink
) -> tuple[Score, ...]:
    """Score kept responses with the words of judges that are kept beside them, as `score_responses` does; nothing is asked."""
    return score_responses(pack, items, responses, kept_judgements(pack, items, responses, sink))


async def judge_responses(
    pack: ExamPack,
    items: Sequence[Item],
    responses: Mapping[str, Response],
    sink: ResponseSink,
    engine_of: Callable[[JudgeEntry], Awaitable[Engine]],
) -> dict[str, Judgement]:
    """Return the word on each answer of a judged facet, by item id, asking for those that are not kept.

    engine_of: gives a running engine with the judge's weights; called only where a word is missing.
    Answers that failed get no word. A judge that says neither of its words leaves that answer without one. Raises
    StaffroomError where an engine runs other weights.
    """
    found = kept_judgements(pack, items, responses, sink)
    for item, response, judge in _judged(pack, items, responses):
        if item.id in found:
            continue
        try:
            word = await judge_answer(await engine_of(judge), judge, item, response)
        except JudgeSilent:
            continue
        sink.put(judged_digest(item, response), _as_response(word, judge))
        found[item.id] = word
    return found


def correct_judged(pack: ExamPack, scores: Sequence[Score]) -> tuple[CorrectedRate, ...]:
    """Return the rate of yes of each judged facet with a fitting calibration, its judge's errors taken out.

    A facet whose judge was never calibrated has none: its judged share is no evidence of anything but the judge's habits.
    """
    rates = []
    for facet, judge in sorted(pack.judges.items()):
        rows = [row for row in scores if row.facet == facet and row.status is ScoreStatus.SCORED]
        record = judge.calibration
        if not rows or record is None or judge.unfit_for_gate(pack.locale):
            continue
        words, clusters = [row.value == 1.0 for row in rows], [row.cluster for row in rows]
        rate = judged_rate(words, clusters, record.errors)
        seen = cluster_interval([row.value for row in rows], clusters).mean
        rates.append(
            CorrectedRate(facet, "judged", len(rows), seen, rate, record.positives, record.negatives)
        )
    return tuple(rates)


def _judged(
    pack: ExamPack, items: Sequence[Item], responses: Mapping[str, Response]
) -> list[tuple[Item, Response, JudgeEntry]]:
    return [
        (item, responses[item.id], pack.judges[item.facet])
        for item in items
        if item.facet in pack.judges and item.id in responses and not responses[item.id].error
    ]


def _as_response(word: Judgement, judge: JudgeEntry) -> Response:
    return Response(
        item_id=word.item_id,
        agent=word.judge,
        seed=_SEED,
        text=judge.yes if word.yes else judge.no,
        outcome="judged",
        option_probabilities=(word.probability, 1.0 - word.probability),
    )
