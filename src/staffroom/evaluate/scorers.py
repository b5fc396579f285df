"""Scorers of the five kinds: deterministic rules from a response to a score, each with its reason.

They see the answer as served. They never call a model, and what cannot be scored is said to be unscored.
"""

import math

from staffroom.evaluate.kinds import LETTERS, scorer_name
from staffroom.evaluate.pack import ExamPack
from staffroom.evaluate.patterns import PatternTimeout
from staffroom.records.exam import Item, Kind, Response, Score, ScoreStatus

__all__ = ["UNSTABLE_NATS", "score_response"]

UNSTABLE_NATS = 0.2


def score_response(pack: ExamPack, item: Item, response: Response) -> Score:
    """Score one response.

    choice: 1 if the right option has the highest probability averaged over the option orders.
    short, locale: 1 if a pattern of `accept` and none of `reject` is found in the served text; an answer that
    matches the pack's `declines` and not the item's `accept` is marked as declined.
    unanswerable, refuse: 1 if a pattern of `accept` and none of `reject` is found, which is to decline.
    An error, or a pattern past its time limit, leaves the item unscored.
    """
    if response.item_id != item.id:
        raise ValueError(f"a response to {response.item_id} cannot be scored as {item.id}")
    if response.error:
        return _unscored(item, f"no answer: {response.error}")
    if item.kind is Kind.CHOICE:
        return _score_choice(item, response)
    try:
        return _score_text(pack, item, response)
    except PatternTimeout as error:
        return _unscored(item, str(error))


def _score_choice(item: Item, response: Response) -> Score:
    probabilities = response.option_probabilities
    if len(probabilities) != len(item.choices) or not all(math.isfinite(value) for value in probabilities):
        return _unscored(item, f"{len(probabilities)} option probabilities for {len(item.choices)} options")
    best = max(probabilities)
    chosen = [index for index, value in enumerate(probabilities) if value == best]
    right = LETTERS.index(item.accept[0])
    unstable = response.margin_nats is not None and response.margin_nats < UNSTABLE_NATS
    if len(chosen) > 1:
        return _scored(item, 0.0, "two options are exactly equally likely", unstable=True)
    reason = f"chose {LETTERS[chosen[0]]}, right is {LETTERS[right]}"
    return _scored(item, float(chosen[0] == right), reason, unstable=unstable)


def _score_text(pack: ExamPack, item: Item, response: Response) -> Score:
    text, patterns = response.text, pack.patterns
    accepted = patterns.first_match(item.accept, text)
    if accepted is None:
        if not text.strip():
            return _scored(item, 0.0, "the answer is empty")
        if item.kind in (Kind.SHORT, Kind.LOCALE) and patterns.first_match(pack.declines, text) is not None:
            return _scored(item, 0.0, "declines to answer", declined=True)
        return _scored(item, 0.0, "no accept pattern is found")
    rejected = patterns.first_match(item.reject, text)
    if rejected is not None:
        return _scored(item, 0.0, f"reject pattern {rejected + 1} is found")
    declined = item.kind in (Kind.UNANSWERABLE, Kind.REFUSE)
    return _scored(item, 1.0, f"accept pattern {accepted + 1} is found", declined=declined)


def _scored(
    item: Item, value: float, reason: str, *, declined: bool = False, unstable: bool = False
) -> Score:
    return Score(
        item_id=item.id,
        cluster=item.cluster,
        facet=item.facet,
        kind=item.kind,
        value=value,
        status=ScoreStatus.SCORED,
        scorer=scorer_name(item.kind),
        reason=reason,
        declined=declined,
        unstable=unstable,
    )


def _unscored(item: Item, reason: str) -> Score:
    return Score(
        item_id=item.id,
        cluster=item.cluster,
        facet=item.facet,
        kind=item.kind,
        value=0.0,
        status=ScoreStatus.UNSCORED,
        scorer=scorer_name(item.kind),
        reason=reason,
    )
