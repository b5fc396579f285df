"""Lettered options: their cyclic orders, how they are shown, and their probabilities from one token."""

import math
from collections.abc import Mapping, Sequence

from staffroom.engine.protocols import Engine, Prompt
from staffroom.records.agent import ChoiceAnswer

__all__ = [
    "OPTIONS_BEGIN",
    "ask_orders",
    "cyclic_orders",
    "is_decided",
    "option_lines",
    "option_probabilities",
]

_LETTERS = "ABCDEFGHIJ"
OPTIONS_BEGIN = f"{_LETTERS[0]}."
"""How every order of the options begins; what is pinned ends with it, so that the orders differ in the token after it."""


def cyclic_orders(count: int) -> list[tuple[int, ...]]:
    """Return the `count` rotations of 0..count-1, so that each option stands once in each place."""
    return [tuple((start + place) % count for place in range(count)) for start in range(count)]


def is_decided(orders: Sequence[Sequence[float]], left: int) -> bool:
    """Say whether no answer to the `left` orders still to be asked could change which option leads.

    orders: one row of probabilities by option for each order asked. An order adds at most 1 to an option and at least 0.
    """
    if not orders:
        return False
    sums = sorted((sum(column) for column in zip(*orders, strict=True)), reverse=True)
    return len(sums) < 2 or sums[0] - sums[1] > left


def option_lines(options: Sequence[str]) -> str:
    """Return the options as lines `A. …`."""
    return "".join(f"{_LETTERS[place]}. {option}\n" for place, option in enumerate(options))


def option_probabilities(log_probabilities: Mapping[str, float], count: int) -> tuple[float, ...]:
    """Return the probabilities of the first `count` letters, normalised among themselves.

    Where no letter is among the likeliest tokens, all are equal: the model said nothing about the options.
    """
    mass = [0.0] * count
    for token, value in log_probabilities.items():
        text = token.strip()
        if len(text) == 1 and text in _LETTERS[:count]:
            mass[_LETTERS.index(text)] += math.exp(value)
    total = sum(mass)
    return tuple(item / total for item in mass) if total > 0 else (1.0 / count,) * count


async def ask_orders(
    engine: Engine, prompts: Mapping[tuple[int, ...], Prompt], held: int, retrieved: tuple[str, ...] = ()
) -> ChoiceAnswer:
    """Return option probabilities averaged over the orders, each of which is one prompt for one token.

    prompts: by order, option `order[k]` being the one that is shown in place k; at least one. held: tokens that all share
    and that are read once. The last orders are not asked where they could no longer change which option leads.
    """
    asked: list[tuple[float, ...]] = []
    tokens_in = 0
    for order, prompt in prompts.items():
        if is_decided(asked, len(prompts) - len(asked)):
            break
        seen = await engine.next_token(prompt)
        tokens_in += seen.tokens_in - held * bool(asked)
        placed = dict(zip(order, option_probabilities(seen.log_probabilities, len(order)), strict=True))
        asked.append(tuple(placed[index] for index in range(len(order))))
    means = tuple(sum(column) / len(asked) for column in zip(*asked, strict=True))
    return ChoiceAnswer(means, tuple(asked), retrieved, tokens_in, len(asked))
