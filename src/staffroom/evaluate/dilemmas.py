"""Items that come in pairs: dilemmas that differ in one fact, and questions about two mirror-image subjects.

The two items of a pair share a cluster. A dilemma's sides have the same options and no accepted letter in common,
so whoever gives one answer whatever the fact is right on one side only, and a pair counts as a whole. A neutrality
pair counts where both answers take the same permitted stance: the accept patterns are the stances, in order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from staffroom.evaluate.kinds import LETTERS
from staffroom.evaluate.patterns import Patterns, PatternTimeout
from staffroom.records.exam import Item, Kind, Response, Score, ScoreStatus

__all__ = ["chance_of", "faults_of_letters", "faults_of_pairs", "join_pairs", "taken_stance"]


def faults_of_letters(choices: Sequence[str], accept: Sequence[str], reject: Sequence[str]) -> Iterator[str]:
    """Say what is wrong with the accepted letters of one side of a dilemma."""
    letters = LETTERS[: len(choices)]
    wrong = [text for text in accept if len(text) != 1 or text not in letters]
    if wrong or not accept:
        yield f"accept: letters of {', '.join(letters) or 'the choices'} are expected"
    elif len(set(accept)) != len(accept):
        yield "accept: the same letter is named twice"
    if reject:
        yield "reject: dilemma items have none"


def faults_of_pairs(items: Iterable[Item]) -> Iterator[tuple[str, str]]:
    """Yield (item id, fault) for each cluster of a paired kind that is not a proper pair."""
    for sides in _clusters(items).values():
        first = sides[0]
        if len(sides) != 2:
            yield (
                first.id,
                f"cluster: `{first.cluster}` has {len(sides)} {first.kind.value} item"
                f"{'s' if len(sides) > 1 else ''}; two sides make a pair",
            )
            continue
        second = sides[1]
        if first.facet != second.facet:
            yield second.id, f"facet: the other side `{first.id}` has the facet `{first.facet}`"
        if first.kind is Kind.DILEMMA:
            if first.choices != second.choices:
                yield second.id, f"choices: both sides need the same, in the same order (see `{first.id}`)"
            elif common := sorted(set(first.accept) & set(second.accept)):
                yield (
                    second.id,
                    f"accept: {', '.join(common)} is right on both sides; giving one answer always would earn it",
                )
        elif len(first.accept) != len(second.accept):
            yield second.id, f"accept: both sides need the same stances in the same order (see `{first.id}`)"


def chance_of(items: Iterable[Item]) -> float:
    """Return the best that guessing does on one of these items: 1/options, or |a||b|/options² for a dilemma."""
    items = tuple(items)
    best = max(
        (1 / len(item.choices) for item in items if item.kind is Kind.CHOICE and item.choices), default=0.0
    )
    for sides in _clusters(item for item in items if item.kind is Kind.DILEMMA).values():
        share = 1.0
        for side in sides:
            share *= len(side.accept) / len(side.choices)
        best = max(best, share)
    return best


def taken_stance(patterns: Patterns, item: Item, text: str) -> int | None:
    """Return which accept pattern an answer to a neutrality item matches first, None for none or a reject pattern.

    Raises PatternTimeout.
    """
    if patterns.first_match(item.reject, text) is not None:
        return None
    return patterns.first_match(item.accept, text)


def join_pairs(
    items: Sequence[Item], responses: Mapping[str, Response], scores: Sequence[Score], patterns: Patterns
) -> tuple[Score, ...]:
    """Return the scores, those of paired items replaced by their pair's: both sides get the same one.

    scores: of the items, in their order, each side by itself. One side without the other, or one unscored,
    leaves the pair unscored; an unstable side makes both unstable.
    """
    by_item = {score.item_id: score for score in scores}
    for sides in _clusters(items).values():
        rows = [by_item[side.id] for side in sides]
        joined = _joined(sides, rows, responses, patterns)
        by_item.update({score.item_id: score for score in joined})
    return tuple(by_item[score.item_id] for score in scores)


def _joined(
    sides: Sequence[Item], rows: Sequence[Score], responses: Mapping[str, Response], patterns: Patterns
) -> list[Score]:
    if len(rows) != 2:
        return [_unscored(row, "the other side was not asked") for row in rows]
    missing = [row for row in rows if row.status is ScoreStatus.UNSCORED]
    if missing:
        return [
            row if row in missing else _unscored(row, f"the other side is unscored: {missing[0].reason}")
            for row in rows
        ]
    value = min(row.value for row in rows)
    if value and sides[0].kind is Kind.NEUTRALITY:
        try:
            stances = [taken_stance(patterns, side, responses[side.id].text) for side in sides]
        except PatternTimeout as error:
            return [_unscored(row, str(error)) for row in rows]
        if stances[0] != stances[1]:
            value = 0.0
    unstable = any(row.unstable for row in rows)
    return [
        replace(row, value=value, unstable=unstable, reason=f"{row.reason}; other side: {other.reason}")
        for row, other in zip(rows, reversed(rows), strict=True)
    ]


def _unscored(score: Score, reason: str) -> Score:
    return replace(score, value=0.0, status=ScoreStatus.UNSCORED, reason=reason, declined=False)


def _clusters(items: Iterable[Item]) -> dict[tuple[Kind, str], list[Item]]:
    pairs: dict[tuple[Kind, str], list[Item]] = {}
    for item in items:
        if item.kind.is_paired:
            pairs.setdefault((item.kind, item.cluster), []).append(item)
    return pairs
