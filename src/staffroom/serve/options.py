"""Lettered options: their cyclic orders, how they are shown, and their probabilities from one token."""

import math
from collections.abc import Mapping, Sequence

__all__ = ["OPTIONS_BEGIN", "cyclic_orders", "option_lines", "option_probabilities"]

_LETTERS = "ABCDEFGHIJ"
OPTIONS_BEGIN = f"{_LETTERS[0]}."
"""How every order of the options begins; what is pinned ends with it, so that the orders differ in the token after it."""


def cyclic_orders(count: int) -> list[tuple[int, ...]]:
    """Return the `count` rotations of 0..count-1, so that each option stands once in each place."""
    return [tuple((start + place) % count for place in range(count)) for start in range(count)]


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
