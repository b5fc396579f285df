"""Examples as a data set: its digest, and the word that none of them gives an exam item away."""

from collections.abc import Sequence
from dataclasses import dataclass

from staffroom.records.digests import digest_value
from staffroom.records.training import Example

__all__ = ["LeakClearance", "dataset_digest"]


@dataclass(frozen=True, slots=True)
class LeakClearance:
    """What a leak check said of one data set: the report's digest, the data set's, and whether nothing was found."""

    report: str
    dataset: str
    clean: bool


def dataset_digest(examples: Sequence[Example]) -> str:
    """Return the digest of examples as a set: their order and repetitions of one do not matter."""
    return digest_value(sorted({example.digest for example in examples}))
