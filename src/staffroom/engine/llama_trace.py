"""Greedy continuations with their log-probabilities by token id, as llama.cpp's server reports them.

The server gives no probabilities for a token that ends inside a character, so the list of probabilities is shorter
than the list of tokens. A probability is kept only where its place is the same whether the two are matched from the
front or from the back.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["TracedToken", "traced"]


@dataclass(frozen=True, slots=True)
class TracedToken:
    """A token that was chosen, and the log-probabilities of the likeliest there; empty where none were reported."""

    id: int
    log_probabilities: Mapping[int, float]


def traced(answer: Mapping[str, Any]) -> tuple[TracedToken, ...]:
    """Return the tokens of a `/completion` answer that was asked with `return_tokens` and `n_probs`."""
    tokens = [int(token) for token in answer["tokens"]]
    entries = list(answer.get("completion_probabilities") or [])
    ids = [int(entry["id"]) for entry in entries]
    front = _places(tokens, ids)
    back = [len(tokens) - 1 - place for place in _places(tokens[::-1], ids[::-1])][::-1]
    known = {
        place: {
            int(found["id"]): float(found["logprob"])
            for found in entry["top_logprobs"]
            if found["logprob"] is not None and math.isfinite(found["logprob"])
        }
        for entry, place, other in zip(entries, front, back, strict=False)
        if place == other
    }
    return tuple(TracedToken(token, known.get(place, {})) for place, token in enumerate(tokens))


def _places(tokens: Sequence[int], ids: Sequence[int]) -> list[int]:
    places, start = [], 0
    for token in ids:
        while start < len(tokens) and tokens[start] != token:
            start += 1
        if start == len(tokens):
            return []
        places.append(start)
        start += 1
    return places
