"""Sequences of one step laid out as a tree: what several begin with is there once.

Gradients are those of the sequences one by one: a state depends on the tokens before it alone, which are the same in
all sequences that share them, and derivatives of a sum add up. It knows token ids only.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from staffroom.engine.training import TrainingSequence

__all__ = ["Packed", "PackedSegment", "pack", "split_by_size"]

_LEAST_SHARED = 8
"""A beginning of fewer tokens is cheaper computed several times than as a segment of its own."""


@dataclass(frozen=True, slots=True)
class PackedSegment:
    """Rows `start` to `end` of a packed batch; `chain` are the segments before it, from the root down."""

    start: int
    end: int
    chain: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Packed:
    """A batch: tokens with positions, segments, and what is learnt.

    wanted: rows whose output counts, ascending. targets: for each learnt token the place in `wanted` that predicts
    it, and its id; a row that several sequences share has a target for each of them.
    """

    tokens: tuple[int, ...]
    positions: tuple[int, ...]
    segments: tuple[PackedSegment, ...]
    wanted: tuple[int, ...]
    targets: tuple[tuple[int, int], ...]


def pack(sequences: Sequence[TrainingSequence], *, share: bool = True) -> Packed:
    """Return the batch of these sequences; `share=False` lays them side by side, for comparison."""
    builder = _Builder(sequences)
    if share:
        builder.grow(list(range(len(sequences))), 0, ())
    else:
        for number in range(len(sequences)):
            builder.grow([number], 0, ())
    return builder.packed()


def split_by_size(sequences: Sequence[TrainingSequence], most: int) -> list[list[TrainingSequence]]:
    """Return the sequences in groups of at most `most` rows when packed (or one), those that share a beginning together."""
    groups: list[list[TrainingSequence]] = []
    for sequence in sorted(sequences, key=lambda item: (item.tokens, item.learnt)):
        if groups and len(pack([*groups[-1], sequence]).tokens) <= most:
            groups[-1].append(sequence)
        else:
            groups.append([sequence])
    return groups


class _Builder:
    def __init__(self, sequences: Sequence[TrainingSequence]) -> None:
        self._sequences = sequences
        self._tokens: list[int] = []
        self._positions: list[int] = []
        self._segments: list[PackedSegment] = []
        self._targets: list[tuple[int, int]] = []
        self._last: dict[int, int] = {}
        """The row of each sequence's latest token, which predicts its next one."""

    def grow(self, members: list[int], depth: int, chain: tuple[int, ...]) -> None:
        """Add the segment that the members share from `depth` on, then what follows it."""
        tokens = [self._sequences[number].tokens for number in members]
        end = min(map(len, tokens))
        first = tokens[0]
        for other in tokens[1:]:
            end = min(end, depth + _common(first[depth:end], other[depth:end]))
        followers: dict[int, list[int]] = {}
        ended = []
        for number in members:
            if len(self._sequences[number].tokens) > end:
                followers.setdefault(self._sequences[number].tokens[end], []).append(number)
            else:
                ended.append(number)
        if len(members) > 1 and end - depth < _LEAST_SHARED:
            # Too short to be shared by all; smaller circles among them may share more.
            for group in (*([number] for number in ended), *followers.values()):
                self.grow(group, depth, chain)
            return
        if end > depth:
            chain = self._segment(members, depth, end, chain)
        for group in followers.values():
            self.grow(group, end, chain)

    def _segment(self, members: list[int], depth: int, end: int, chain: tuple[int, ...]) -> tuple[int, ...]:
        start = len(self._tokens)
        self._tokens += self._sequences[members[0]].tokens[depth:end]
        self._positions += range(depth, end)
        self._segments.append(PackedSegment(start, len(self._tokens), chain))
        for number in members:
            sequence = self._sequences[number]
            for place in range(max(depth, 1), end):
                if sequence.learnt[place]:
                    before = self._last[number] if place == depth else start + place - depth - 1
                    self._targets.append((before, sequence.tokens[place]))
            self._last[number] = len(self._tokens) - 1
        return (*chain, len(self._segments) - 1)

    def packed(self) -> Packed:
        wanted = sorted({row for row, _ in self._targets})
        places = {row: place for place, row in enumerate(wanted)}
        return Packed(
            tokens=tuple(self._tokens),
            positions=tuple(self._positions),
            segments=tuple(self._segments),
            wanted=tuple(wanted),
            targets=tuple((places[row], token) for row, token in self._targets),
        )


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count
