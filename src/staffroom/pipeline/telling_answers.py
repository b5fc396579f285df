"""Answers of several candidates to the same items, side by side, chosen by a fixed rule.

Rule:
1. Items that at least two candidates answered with the run's seed, of the splits whose answers may be shown: the screen,
   and a gate that was retired. Others are never looked at: an item that was published is used up.
2. Ordered by disagreement (the smaller of right and wrong answers, most first); among equals each facet takes its turn,
   and within a facet sha256(seed | item id) decides, so that nobody picks what looks good.
3. The first few.

Scores are judged anew from the kept responses by the pack's own rules. Nothing is asked, kept or changed.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from staffroom.evaluate import LETTERS, ExamPack, score_kept
from staffroom.records.exam import Item, Response, Score, ScoreStatus, Split
from staffroom.records.protocols import ResponseSink

__all__ = ["MOST_ITEMS", "telling_answers"]

MOST_ITEMS = 6
_RIGHT_FROM = 0.5


@dataclass(frozen=True, slots=True)
class _Answered:
    item: Item
    split: Split
    responses: Mapping[str, Response]
    scores: Mapping[str, Score]

    @property
    def disagreement(self) -> int:
        right = sum(score.value >= _RIGHT_FROM for score in self.scores.values())
        return min(right, len(self.scores) - right)


def telling_answers(
    pack: ExamPack,
    sink: ResponseSink,
    agents: Mapping[str, str],
    seed: int,
    *,
    splits: Collection[Split] = (Split.SCREEN,),
    most: int = MOST_ITEMS,
) -> list[dict[str, Any]]:
    """Return at most `most` items with what each candidate answered.

    agents: digest by candidate.  splits: those whose answers may be shown; the sealed one never is.
    """
    shown = [split for split in (Split.SCREEN, Split.GATE) if split in splits]
    items = {item.id: (item, split) for split in shown for item in pack.items_of(split)}
    responses = {
        name: {
            item.id: found
            for item, _ in items.values()
            if (found := sink.get(agent, item.digest, seed)) is not None
        }
        for name, agent in agents.items()
    }
    scores = {
        name: {
            score.item_id: score for score in score_kept(pack, [items[one][0] for one in kept], kept, sink)
        }
        for name, kept in responses.items()
    }
    answered = [
        _Answered(
            item,
            split,
            {name: kept[item.id] for name, kept in responses.items() if item.id in kept},
            {name: judged[item.id] for name, judged in scores.items() if item.id in judged},
        )
        for item, split in items.values()
    ]
    return [
        _row(found) for found in _ordered([one for one in answered if len(one.responses) > 1], seed)[:most]
    ]


def _ordered(answered: list[_Answered], seed: int) -> list[_Answered]:
    def rank(found: _Answered) -> str:
        return hashlib.sha256(f"{seed}|{found.item.id}".encode()).hexdigest()

    turns: Counter[tuple[int, str]] = Counter()
    keys: dict[str, tuple[int, int, str]] = {}
    for found in sorted(answered, key=rank):
        group = found.disagreement, found.item.facet
        keys[found.item.id] = -found.disagreement, turns[group], rank(found)
        turns[group] += 1
    return sorted(answered, key=lambda found: keys[found.item.id])


def _row(found: _Answered) -> dict[str, Any]:
    item = found.item
    # Accepted letters; what else stands in `accept` of an item with options (shares of a survey) marks none as right.
    right = {letter for letter in item.accept if len(letter) == 1}
    return {
        "item": item.id,
        "split": found.split.value,
        "facet": item.facet,
        "kind": item.kind.value,
        "input": item.input,
        "document": item.document,
        "choices": [
            {"letter": letter, "text": text, "right": letter in right}
            for letter, text in zip(LETTERS, item.choices, strict=False)
        ],
        "accept": [] if item.choices else list(item.accept),
        "reject": list(item.reject),
        "model_answer": item.answer,
        "reference": item.reference,
        "disagreement": found.disagreement,
        "answers": [
            _answer(name, response, found.scores[name]) for name, response in found.responses.items()
        ],
    }


def _answer(name: str, response: Response, score: Score) -> dict[str, Any]:
    probabilities = response.option_probabilities
    return {
        "candidate": name,
        "text": response.text,
        "raw_text": response.raw_text,
        "outcome": response.outcome,
        "probability": max(probabilities) if probabilities else None,
        "error": response.error,
        "scored": score.status is ScoreStatus.SCORED,
        "score": score.value,
        "reason": score.reason,
        "declined": score.declined,
        "unstable": score.unstable,
    }
