"""MinHash signatures: how alike two sets of n-grams are, from a few hundred numbers each (Broder, SEQUENCES 1997).

The share of equal numbers of two signatures estimates the Jaccard index of their sets, with a standard error of at most
0.5 / sqrt(size). Cut into bands, signatures of sets that are alike enough meet in one bucket (Indyk and Motwani, STOC 1998),
so that thousands of texts need not be compared one by one. The same set has the same signature on every machine.
"""

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["SIGNATURE_SIZE", "Signature", "estimated_jaccard", "meeting_pairs", "minhash"]

Signature = NDArray[np.uint64]

SIGNATURE_SIZE = 128
_EMPTY = 0xFFFFFFFFFFFFFFFF


def minhash(grams: Collection[str], size: int = SIGNATURE_SIZE) -> Signature:
    """Return `size` uint64 numbers, the least hash of the set under as many hash functions; of no grams, all ones."""
    if not grams:
        return np.full(size, _EMPTY, dtype=np.uint64)
    hashes = np.array([_hash(gram) for gram in grams], dtype=np.uint64)
    with np.errstate(over="ignore"):
        steps = (np.arange(1, size + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))[:, None]
        mixed: Signature = _mix(hashes[None, :] ^ _mix(steps)).min(axis=1)
    return mixed


def estimated_jaccard(first: Signature, second: Signature) -> float:
    """Return the share (0 to 1) of equal numbers; two empty sets are like nothing."""
    if first[0] == _EMPTY and (first == _EMPTY).all():
        return 0.0
    return float(np.mean(first == second))


def meeting_pairs(
    first: Sequence[Signature], second: Sequence[Signature], rows: int
) -> Iterator[tuple[int, int]]:
    """Yield each pair of places whose signatures agree in at least one band of `rows` numbers, once, in order.

    Two sets of Jaccard index j meet with probability 1 - (1 - j**rows)**(size // rows).
    """
    buckets: dict[tuple[int, bytes], list[int]] = defaultdict(list)
    for place, signature in enumerate(second):
        for band, key in _bands(signature, rows):
            buckets[band, key].append(place)
    for place, signature in enumerate(first):
        met = {other for band, key in _bands(signature, rows) for other in buckets.get((band, key), ())}
        yield from ((place, other) for other in sorted(met))


def _bands(signature: Signature, rows: int) -> Iterator[tuple[int, bytes]]:
    if (signature == _EMPTY).all():
        return
    for band in range(len(signature) // rows):
        yield band, signature[band * rows : (band + 1) * rows].tobytes()


def _hash(gram: str) -> int:
    return int.from_bytes(
        hashlib.blake2b(gram.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big"
    )


def _mix(values: Signature) -> Signature:
    """Return the values scrambled, one to one (the finaliser of SplitMix64: Steele, Lea and Flood, OOPSLA 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Signature = values ^ (values >> np.uint64(31))
    return mixed
