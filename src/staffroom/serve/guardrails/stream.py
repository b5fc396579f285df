"""Examining a text as it comes: whatever its pieces, what is let go and what is found is the same.

1. What arrives is held until there is a place where it may be cut (`text.personal.cuts`), or 512 characters.
2. Each piece between two cuts is judged by all rails, with the 64 characters before it.
3. What is to be masked is replaced; a block ends the text before the piece, and nothing more is let go.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from staffroom.records.guardrails import Ruling, Stage, Verdict
from staffroom.serve.guardrails.rail import BEFORE, Edit, Rail
from staffroom.serve.guardrails.tally import Tally
from staffroom.text.personal import LONGEST_PIECE, cuts

__all__ = ["Change", "GuardedStream"]

_LOOKED_AHEAD = 16
_FORCED = LONGEST_PIECE - 64


class Change(NamedTuple):
    """What is served instead of the characters from `start` to `end` of the text as it came."""

    start: int
    end: int
    instead: str


class GuardedStream:
    """One text on its way through the rails of one stage; `blocked` says why it ended, if a rail ended it.

    For a caller that serves the bytes it was given: `cleared` says how far they may go, `changes` what is not served as
    it came, in order. Whoever reads the changes may take them off the list.
    """

    def __init__(self, stage: Stage, rails: Sequence[Rail]) -> None:
        self._stage = stage
        self._rails = tuple(rails)
        self._text = ""
        self._done = 0
        self._origin = 0
        self._tally = Tally()
        self.blocked = ""
        self.changes: list[Change] = []

    @property
    def rulings(self) -> tuple[Ruling, ...]:
        """What was found so far."""
        return self._tally.rulings

    @property
    def cleared(self) -> int:
        """How many characters of the text as it came are certain, with `changes`."""
        return self._origin + self._done

    def feed(self, text: str) -> str:
        """Take the next part of the text and return what is certain now."""
        if self.blocked or not text:
            return ""
        self._text += text
        return self._go_on(final=False)

    def finish(self) -> str:
        """Return the rest."""
        return "" if self.blocked else self._go_on(final=True)

    def _go_on(self, *, final: bool) -> str:
        served: list[str] = []
        ends = list(self._ends(final))
        if not ends:
            return ""
        before, held = self._before(), self._text[self._done : ends[-1]]
        # Most of most texts can hold nothing, and is let go without being looked at piece by piece.
        busy = [rail for rail in self._rails if rail.may(before, held)]
        if not busy:
            self._done = ends[-1]
            served.append(held)
        else:
            for end in ends:
                served.append(self._judge(busy, end))
                if self.blocked:
                    break
        forget = max(0, self._done - BEFORE)
        self._text, self._done = self._text[forget:], self._done - forget
        self._origin += forget
        return "".join(served)

    def _ends(self, final: bool) -> Iterator[int]:
        """Yield where the next pieces end."""
        length, done = len(self._text), self._done
        for cut in cuts(self._text, done):
            while cut - done > LONGEST_PIECE:
                done += self._forced(done)
                yield done
            if cut > done:
                done = cut
                yield done
        while length - done >= LONGEST_PIECE + _LOOKED_AHEAD:
            done += self._forced(done)
            yield done
        if final and done < length:
            yield length

    def _forced(self, done: int) -> int:
        """Return how long a piece without a cut is made: short of a finding that goes on."""
        before = self._text[max(0, done - BEFORE) : done]
        piece = self._text[done : done + LONGEST_PIECE]
        place = _FORCED
        for rail in self._rails:
            for edit in rail.peek(before, piece):
                if 0 < edit.start < place < edit.end:
                    place = edit.start
        return place

    def _before(self) -> str:
        return self._text[max(0, self._done - BEFORE) : self._done]

    def _judge(self, rails: Sequence[Rail], end: int) -> str:
        before, start = self._before(), self._done
        piece = self._text[start:end]
        edits = [edit for rail in rails if rail.may(before, piece) for edit in rail.judge(before, piece)]
        for edit in edits:
            if not edit.silent and edit.verdict is not Verdict.ALLOW:
                self._tally.note(edit.guardrail, self._stage, edit.verdict, edit.reason)
        blocks = [edit for edit in edits if edit.verdict is Verdict.BLOCK]
        if blocks:
            self.blocked = f"{blocks[0].guardrail}: {blocks[0].reason}"
            return ""
        self._done = end
        return self._edited(piece, start, [edit for edit in edits if edit.verdict is Verdict.MASK])

    def _edited(self, piece: str, at: int, edits: Sequence[Edit]) -> str:
        """Return the piece with its findings replaced; where two meet, the one that begins first is named."""
        parts: list[str] = []
        place, at = 0, self._origin + at
        for edit in sorted(edits, key=lambda each: (each.start, -each.end)):
            if edit.start >= place:
                parts += [piece[place : edit.start], edit.instead]
                self.changes.append(Change(at + edit.start, at + edit.end, edit.instead))
            elif edit.end > place:
                self.changes.append(Change(at + place, at + edit.end, ""))
            place = max(place, edit.end)
        return "".join([*parts, piece[place:]])
