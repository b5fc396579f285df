"""What is committed to before the first item is asked, what of a pack stays hidden by it, and how its items are told apart."""

import hashlib
import hmac
import re
import secrets
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from staffroom.evaluate.kinds import LETTERS, scorer_of
from staffroom.evaluate.locale_answers import scorer_in
from staffroom.evaluate.pack import ExamPack
from staffroom.records.digests import canonical_json, digest_bytes
from staffroom.records.exam import Item, Split, items_digest

__all__ = [
    "Commitment",
    "ItemMarks",
    "cluster_marks",
    "commit_to",
    "mark_items",
    "question_mark",
    "sealed_commitment",
    "source_mark",
    "split_digest",
]

_SALT_BYTES = 32
_MARK_BYTES = 8
_NOT_SAID = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Commitment:
    """`entry` goes into the log; `salt` opens the sealed split's commitment and stays private."""

    entry: dict[str, Any]
    salt: bytes


@dataclass(frozen=True, slots=True)
class ItemMarks:
    """Which questions and sources a set of items has: 8 bytes each, equal where they are, silent otherwise.

    key: commitment to the key they were made with; marks of different keys cannot be compared.
    """

    key: str
    questions: frozenset[bytes]
    sources: frozenset[bytes]


def mark_items(items: Iterable[Item], key: bytes) -> ItemMarks:
    """Return the marks of some items; the key (at least 32 bytes) stays private, or the questions could be guessed."""
    if len(key) < _SALT_BYTES:
        raise ValueError(f"a key has at least {_SALT_BYTES} bytes")
    items = tuple(items)
    sources = {source_mark(item, key) for item in items}
    return ItemMarks(
        key=digest_bytes(b"staffroom marks key v1\x00" + key),
        questions=frozenset(question_mark(item, key) for item in items),
        sources=frozenset(mark for mark in sources if mark is not None),
    )


def cluster_marks(items: Iterable[Item], key: bytes) -> dict[str, str]:
    """Return the mark (hex) of each item's cluster by item id: its source's, or its question's where it has none."""
    return {item.id: (source_mark(item, key) or question_mark(item, key)).hex() for item in items}


def question_mark(item: Item, key: bytes) -> bytes:
    """Return the mark of what an item asks, whatever its id, patterns, notes, wrong options, order or punctuation.

    The right option counts, because "which of these is true?" may be many questions; so does an untrusted document.
    """
    options: tuple[str, ...] = ()
    if item.kind.has_options:
        right = [LETTERS.find(letter) for letter in item.accept if len(letter) == 1]
        options = (
            tuple(item.choices[place] for place in right if 0 <= place < len(item.choices)) or item.choices
        )
    return _mark(key, "question", item.input, item.document, *sorted(map(_plain, options)))


def source_mark(item: Item, key: bytes) -> bytes | None:
    """Return the mark of the cluster's name; None for an item that names none and so is its own."""
    return None if item.cluster == item.id else _mark(key, "source", item.cluster)


def _mark(key: bytes, what: str, *texts: str) -> bytes:
    said = canonical_json([what, *map(_plain, texts)])
    return hmac.digest(key, said, hashlib.sha256)[:_MARK_BYTES]


def _plain(text: str) -> str:
    """Return letters and digits; a text that has none stays as it is."""
    return _NOT_SAID.sub("", unicodedata.normalize("NFKC", text).casefold()) or text


def split_digest(pack: ExamPack, split: Split) -> str:
    """Return the digest of a split's sorted item digests."""
    return items_digest(pack.items_of(split))


def sealed_commitment(pack: ExamPack, salt: bytes) -> str:
    """Return sha256(salt || canonical JSON of the sealed split's sorted item digests)."""
    digests = sorted(item.digest for item in pack.items_of(Split.SEALED))
    return digest_bytes(salt + canonical_json(digests))


def commit_to(pack: ExamPack, *, prompt_protocol: Mapping[str, Any], salt: bytes | None = None) -> Commitment:
    """Return the log entry that fixes a pack, its rules and how it is asked.

    Screen and gate are named by the digest of their sorted item digests; the sealed split by
    sha256(salt || canonical JSON of its sorted item digests). The pack's own digest covers the sealed items
    too, all together and unsalted: it confirms a complete copy of the pack and no less.
    prompt_protocol: JSON object that names prompts, decoding and pinning by digest.
    salt: 32 bytes kept from an earlier call; drawn anew when None.
    """
    if salt is None:
        salt = secrets.token_bytes(_SALT_BYTES)
    elif len(salt) < _SALT_BYTES:
        raise ValueError(f"a salt has at least {_SALT_BYTES} bytes")
    splits: dict[str, Any] = {}
    for split in Split:
        items = pack.items_of(split)
        row: dict[str, Any] = {"items": len(items), "clusters": len({item.cluster for item in items})}
        if split is Split.SEALED:
            row["commitment"] = sealed_commitment(pack, salt)
        else:
            row["digest"] = split_digest(pack, split)
        splits[split.value] = row
    entry = {
        "pack": pack.digest,
        "name": pack.name,
        "version": pack.version,
        "locale": pack.locale,
        "splits": splits,
        "split_seed": pack.definition["splits"]["seed"],
        "facets": {
            name: {"threshold": rule.threshold, "gated": rule.gated, "method": rule.method}
            for name, rule in sorted(pack.facets.items())
        },
        "scorers": sorted({scorer_in(item, scorer_of(item), pack.answer_rules) for item in pack.items}),
        "alpha": pack.alpha,
        "prompt_protocol": dict(prompt_protocol),
    }
    return Commitment(entry, salt)
