"""The first rung: documents that changed, and how much of them the model is shown.

How much is shown is chosen by the corrections alone, without a model: the share of a corrected answer's runs of four characters
that stand in the excerpts. Longer or more excerpts cost reading time at every question, so the least that helps is
proposed.
"""

from dataclasses import replace
from statistics import fmean

from staffroom.improve.ladder import Expected, Parts, Proposal, Rung, Workshop
from staffroom.text.ngrams import character_ngrams

__all__ = ["propose_index"]

_GRAM = 4
_LEAST_CASES = 8
_LEAST_GAIN = 0.03
_EXCERPTS = (0, 1, 2)
_LENGTHS = (1.0, 1.5, 2.0)


def propose_index(shop: Workshop) -> list[Proposal]:
    """Return the documents as they are now, where they changed, and other excerpts, where the corrections ask for them."""
    current, incumbent = shop.current, shop.incumbent
    found: list[Proposal] = []
    fresh = replace(incumbent, index=current.index)
    if current.index != incumbent.index:
        reason = "the documents are other ones than were released"
        found.append(Proposal(Rung.INDEX, "documents", fresh, reason))
    shown = _more_shown(shop, fresh)
    return [*found, shown] if shown is not None else found


def _more_shown(shop: Workshop, parts: Parts) -> Proposal | None:
    cases = [one for one in shop.corrections if shop.expected(one) is Expected.ANSWER]
    if len(cases) < _LEAST_CASES:
        return None
    policy = parts.policy
    most = policy.excerpts + max(_EXCERPTS)
    chunks = {one.digest: list(shop.find(parts.index, one.question, most)) for one in cases}
    wanted = {one.digest: character_ngrams(one.corrected, _GRAM) for one in cases}

    def support(excerpts: int, characters: int) -> float:
        shares = []
        for one in cases:
            grams = wanted[one.digest]
            text = shop.show(chunks[one.digest][:excerpts], parts, characters)
            shares.append(len(grams & character_ngrams(text, _GRAM)) / len(grams) if grams else 0.0)
        return fmean(shares)

    before = support(policy.excerpts, policy.excerpt_characters)
    ways = sorted(
        {
            (policy.excerpts + more, round(policy.excerpt_characters * length))
            for more in _EXCERPTS
            for length in _LENGTHS
        },
        key=lambda way: (way[0] * way[1], way),
    )
    gains = {way: support(*way) - before for way in ways}
    best = max(gains.values())
    if best < _LEAST_GAIN:
        return None
    # The least reading that has most of the gain.
    way = next(way for way in ways if gains[way] >= max(_LEAST_GAIN, 0.7 * best))
    changed = replace(parts, policy=replace(policy, excerpts=way[0], excerpt_characters=way[1]))
    reason = (
        f"{way[0]} excerpts of {way[1]} characters hold {before + gains[way]:.0%} of what {len(cases)} corrected answers "
        f"say, {policy.excerpts} of {policy.excerpt_characters} hold {before:.0%}"
    )
    return Proposal(Rung.INDEX, "excerpts", changed, reason)
