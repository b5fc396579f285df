"""Receipts: one file that proves, without a network, that an entry is in a log at a signed checkpoint.

Source: C2SP tlog-proof v1 (first line `c2sp.org/tlog-proof@v1`): optional `extra` line, index, inclusion proof, blank line,
checkpoint. The extra data is not authenticated, so nothing here trusts it.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from staffroom.ledger.errors import NoteError, ProofError
from staffroom.ledger.merkle import inclusion_proof, leaf_hash, verify_inclusion
from staffroom.ledger.note import Checkpoint, Verifier, decode_base64, open_checkpoint, parse_note
from staffroom.ledger.note import parse_checkpoint_text as _parse_text
from staffroom.ledger.tiles import folder_nodes

__all__ = ["ProvenEntry", "verify_proof", "write_proof"]

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class ProvenEntry:
    """Where an entry stands and the checkpoint that covers it; `extra` comes from outside the proof and is not proven."""

    index: int
    checkpoint: Checkpoint
    extra: bytes


def write_proof(folder: Path, index: int, *, extra: bytes = b"") -> str:
    """Write the receipt of entry `index` at the log's present checkpoint; raises ProofError if it is not covered."""
    signed = (folder / "checkpoint").read_text(encoding="utf-8")
    size = _parse_text(parse_note(signed).text).size
    if not 0 <= index < size:
        raise ProofError(f"entry {index} is not in this log of {size} entries", where=str(folder))
    lines = [_HEADER]
    if extra:
        lines.append(f"extra {base64.b64encode(extra).decode()}")
    lines.append(f"index {index}")
    lines.extend(
        base64.b64encode(node).decode() for node in inclusion_proof(index, size, folder_nodes(folder, size))
    )
    return "\n".join(lines) + "\n\n" + signed


def verify_proof(text: str, entry: bytes, verifiers: Sequence[Verifier]) -> ProvenEntry:
    """Check that a receipt proves `entry` under a checkpoint signed by every one of `verifiers`.

    Raises ProofError, or NoteError where the checkpoint is at fault.
    """
    head, blank, signed = text.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines[0] != _HEADER:
        raise ProofError(f"not a receipt: it must begin with the line {_HEADER}")
    rest = lines[1:]
    try:
        extra = decode_base64(rest.pop(0)[6:]) if rest and rest[0].startswith("extra ") else b""
        index = _INDEX.fullmatch(rest.pop(0)) if rest else None
        if index is None:
            raise ProofError("the index line is missing or malformed")
        hashes = [decode_base64(line) for line in rest]
    except NoteError as error:
        raise ProofError(error.message) from error
    checkpoint = open_checkpoint(signed, verifiers)
    verify_inclusion(int(index[1]), checkpoint.size, leaf_hash(entry), hashes, checkpoint.root)
    return ProvenEntry(int(index[1]), checkpoint, extra)
