"""What is committed to before the first item is asked, and what of a pack stays hidden by it."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from staffroom.evaluate.kinds import scorer_name
from staffroom.evaluate.pack import ExamPack
from staffroom.records.digests import canonical_json, digest_bytes, digest_value
from staffroom.records.exam import Split

__all__ = ["Commitment", "commit_to"]

_SALT_BYTES = 32


@dataclass(frozen=True, slots=True)
class Commitment:
    """`entry` goes into the log; `salt` opens the sealed split's commitment and stays private."""

    entry: dict[str, Any]
    salt: bytes


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
        digests = sorted(item.digest for item in items)
        row: dict[str, Any] = {"items": len(items), "clusters": len({item.cluster for item in items})}
        if split is Split.SEALED:
            row["commitment"] = digest_bytes(salt + canonical_json(digests))
        else:
            row["digest"] = digest_value(digests)
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
        "scorers": sorted({scorer_name(item.kind) for item in pack.items}),
        "alpha": pack.alpha,
        "prompt_protocol": dict(prompt_protocol),
    }
    return Commitment(entry, salt)
