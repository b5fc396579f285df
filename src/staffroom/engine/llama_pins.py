"""Which token sequences to send, so that each number depends on the prompt alone and not on what came before.

llama.cpp reuses the longest beginning that a new prompt shares with the last one. How long that is depends on
the order of the questions, and the numbers with it, because attention over a batch of another shape rounds
differently. Here a prompt is cut into levels (system prompt; an item's excerpts and question) and a rest.
Each level is computed in a request of its own, on top of exactly the levels before it, and reuse ends at a
level's border: where the cache goes on with the very token that comes next, one spare token is sent first,
which cuts it off. The numbers are then a function of the list of levels and the rest.

It knows token ids only, no model and no server.
"""

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["COLD", "PIN_PROTOCOL", "Resident", "Send", "plan"]

PIN_PROTOCOL = "pinned-1"
Tokens = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Resident:
    """What the engine's cache holds: whole levels from the beginning, and the token that may come after."""

    levels: tuple[Tokens, ...] = ()
    after: int | None = None


COLD = Resident()


@dataclass(frozen=True, slots=True)
class Send:
    """One request: its tokens, how many of them the cache must supply, and what the cache holds from then on.

    `during` holds while the request runs and if it fails; `done` once it has been answered.
    Only the last request of a plan generates.
    """

    tokens: Tokens
    reuse: int
    during: Resident
    done: Resident
    last: bool = False


def plan(resident: Resident, levels: Sequence[Tokens], rest: Tokens, spare: tuple[int, int]) -> list[Send]:
    """Return the requests that evaluate `levels` and then `rest`, the first of which fits `resident`.

    levels: non-empty token tuples. rest: the tokens that follow; when it is empty the last token of the last
    level takes its place, because an engine must read at least one token. spare: two different token ids.
    Raises ValueError when there are no tokens at all.
    """
    kept, rest = _with_rest([tuple(level) for level in levels if level], tuple(rest))
    known = _shared(resident.levels, kept)
    sends: list[Send] = []
    done = tuple(kept[:known])
    prefix: Tokens = sum(done, ())
    first = kept[known][0] if known < len(kept) else rest[0]
    if known and _after(resident, known) == first:
        token = spare[0] if spare[0] != first else spare[1]
        state = Resident(done, token)
        # If this fails the cache may still go on as before, so `during` keeps that token.
        sends.append(Send((*prefix, token), len(prefix), Resident(done, first), state))
    for level in kept[known:]:
        during = Resident(done, level[0])
        done = (*done, level)
        sends.append(Send(prefix + level, len(prefix), during, Resident(done)))
        prefix += level
    state = Resident(done, rest[0])
    sends.append(Send(prefix + rest, len(prefix), state, state, last=True))
    return sends


def _with_rest(levels: list[Tokens], rest: Tokens) -> tuple[list[Tokens], Tokens]:
    if rest:
        return levels, rest
    if not levels:
        raise ValueError("a prompt without tokens cannot be continued")
    *before, last = levels
    return ([*before, last[:-1]] if len(last) > 1 else before), last[-1:]


def _shared(held: Sequence[Tokens], wanted: Sequence[Tokens]) -> int:
    count = 0
    for have, want in zip(held, wanted, strict=False):
        if have != want:
            break
        count += 1
    return count


def _after(resident: Resident, known: int) -> int | None:
    return resident.levels[known][0] if known < len(resident.levels) else resident.after
