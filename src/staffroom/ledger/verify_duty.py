"""Checks the proof of one row of a duty record: with `verify.py` beside it, and Python's standard library alone.

    python verify_duty.py PROOF --vkey VKEY [--vkey VKEY ...]

`staffroom audit prove` writes the proof. It shares no code with the writer, and derives everything from the keys that are given:

1. The checkpoint in the receipt carries a good signature by every key given.
2. The log's entry is in the tree of that checkpoint.
3. The entry seals a batch of rows, and the row is in the batch's tree, at a place within it.
4. Where words are shown: the row commits to these words, under the salts beside them.

It tells that the row was there as it stands when the checkpoint was signed, and that nobody changed it since. It does not tell that
what the row says is true, nor that each request has a row: compare with what clients kept (`x-staffroom-audit`).

Sources: RFC 6962 section 2.1; C2SP tlog-proof v1.
"""

import argparse
import base64
import binascii
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

if __package__:
    from staffroom.ledger.verify import open_signed
else:
    from verify import open_signed  # type: ignore[import-not-found,no-redef]

__all__ = ["check_duty_proof", "main"]

_KIND = "staffroom duty row 1"
_RECEIPT = "c2sp.org/tlog-proof@v1"


def check_duty_proof(proof: Any, vkeys: Sequence[str]) -> dict[str, Any]:
    """Return the row that a proof proves; raises ValueError saying what is wrong with it."""
    if not isinstance(proof, dict) or proof.get("proof") != _KIND:
        raise ValueError(f"not a proof of the kind {_KIND!r}")
    if not vkeys:
        raise ValueError("without a verifier key nothing can be trusted")
    entry = _text(proof, "entry")
    _check_receipt(_text(proof, "receipt"), entry.encode(), vkeys)
    body = _object(entry).get("body")
    if _object(entry).get("type") != "duty-sealed" or not isinstance(body, dict):
        raise ValueError("the log's entry seals no rows")
    line = _text(proof, "row")
    rows, index = _count(body, "rows"), _count(proof, "index")
    path = [_hash(node) for node in _list(proof, "path")]
    root = _root_from(hashlib.sha256(b"\x00" + line.encode()).digest(), index, rows, path)
    if f"sha256:{root.hex()}" != body.get("root"):
        raise ValueError("the row is not in the batch that the log's entry seals")
    row = _object(line)
    openings = proof.get("openings", {})
    if not isinstance(openings, dict):
        raise ValueError("openings: not an object")
    for name, opening in openings.items():
        _check_opening(name, opening, row)
    return row


def _check_receipt(receipt: str, entry: bytes, vkeys: Sequence[str]) -> None:
    head, blank, signed = receipt.partition("\n\n")
    lines = head.split("\n")
    if not blank or lines[0] != _RECEIPT:
        raise ValueError("not a receipt")
    rest = [line for line in lines[1:] if not line.startswith("extra ")]
    if not rest or not rest[0].startswith("index ") or not rest[0][6:].isdigit():
        raise ValueError("the receipt has no index")
    size, root = open_signed(signed.encode(), vkeys)
    path = [_hash(node) for node in rest[1:]]
    if _root_from(hashlib.sha256(b"\x00" + entry).digest(), int(rest[0][6:]), size, path) != root:
        raise ValueError("the entry is not in the log of this checkpoint")


def _root_from(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes:
    """Compute the root that an inclusion proof leads to (RFC 6962 section 2.1.1, from the leaf upwards)."""
    if not 0 <= index < size:
        raise ValueError(f"place {index} is not among {size} leaves")
    node, first, last = leaf, index, size - 1
    for sibling in path:
        if last == 0:
            raise ValueError("the proof has more hashes than it needs")
        if first & 1 or first == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        first, last = first >> 1, last >> 1
    if last:
        raise ValueError("the proof has fewer hashes than it needs")
    return node


def _check_opening(name: str, opening: Any, row: dict[str, Any]) -> None:
    if not isinstance(opening, dict) or name not in ("who", "question", "answer"):
        raise ValueError(f"{name}: not an opening")
    try:
        salt = bytes.fromhex(_text(opening, "salt"))
    except ValueError as error:
        raise ValueError(f"{name}: the salt is not hexadecimal") from error
    digest = hashlib.sha256(salt + _text(opening, "text").encode("utf-8", "surrogatepass")).hexdigest()
    if len(salt) != 32 or row.get(name) != f"sha256:{digest}":
        raise ValueError(f"{name}: the row does not commit to these words")


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    return value


def _text(value: dict[str, Any], name: str) -> str:
    if not isinstance(value.get(name), str):
        raise ValueError(f"{name}: not a text")
    return str(value[name])


def _list(value: dict[str, Any], name: str) -> list[Any]:
    found = value.get(name)
    if not isinstance(found, list):
        raise ValueError(f"{name}: not a list")
    return found


def _count(value: dict[str, Any], name: str) -> int:
    found = value.get(name)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise ValueError(f"{name}: not a count")
    return found


def _hash(text: Any) -> bytes:
    try:
        node = base64.b64decode(text, validate=True)
    except (TypeError, binascii.Error) as error:
        raise ValueError("a hash of the proof is not base64") from error
    if len(node) != 32:
        raise ValueError("a hash of the proof has not 32 bytes")
    return node


# --- the command ---


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives 0 where the proof is good, 1 where it is not, 2 on wrong use."""
    parser = argparse.ArgumentParser(description="Check the proof of one row of a duty record, offline.")
    parser.add_argument("proof", type=Path, metavar="PROOF")
    parser.add_argument(
        "--vkey", action="append", required=True, help="verifier key of the log; repeat for each key"
    )
    options = parser.parse_args(arguments)
    try:
        proof = json.loads(options.proof.read_bytes())
    except (ValueError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    try:
        row = check_duty_proof(proof, options.vkey)
    except (ValueError, RecursionError) as error:
        sys.stdout.write(f"not proven: {error}\n")
        return 1
    shown = sorted(proof.get("openings", {}))
    sys.stdout.write(f"proven: {json.dumps(row, ensure_ascii=False)}\n")
    sys.stdout.write(f"words checked: {', '.join(shown) or 'none were shown'}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
