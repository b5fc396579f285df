"""Checks an exported incident, all of it, offline: this file and `verify.py` beside it, with Python's standard library alone.

    python verify_incident.py FOLDER --vkey VKEY [--vkey VKEY ...]

It shares no code with the writer.

1. Every file in the folder is in `SHA256SUMS` with its digest, and every line there has its file.
2. Each event is what its log entry commits to, under the salt in `commitments.json`; the events are numbered without a gap, and
   name the folder's incident.
3. Each piece of evidence has the digest that its event names, and none is missing.
4. Each entry is in the log: its receipt leads from the entry to the root of a checkpoint. With --vkey, the checkpoint's signature
   by each of these keys is checked too; without, that is said.
"""

import argparse
import base64
import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["check_incident", "main"]

_DOMAIN = b"staffroom commitment v1\x00"
_SUMS = "SHA256SUMS"
_SignedBy = Callable[[bytes, Sequence[str]], tuple[int, bytes]]


class _Bad(Exception):
    """Something that cannot be read as what it should be."""


def check_incident(folder: Path, vkeys: Sequence[str] = ()) -> list[str]:
    """Return what is wrong with an exported incident, an empty list where nothing is; vkeys: keys of the log."""
    found: list[str] = []
    for check in (_sums, _evidence):
        try:
            found += check(folder)
        except (_Bad, OSError, ValueError, KeyError, TypeError) as error:
            found.append(f"{check.__name__.strip('_')}: {error}")
    try:
        found += _events(folder, vkeys)
    except (_Bad, OSError, ValueError, KeyError, TypeError) as error:
        found.append(f"events: {error}")
    return found


# --- 1. files ---


def _sums(folder: Path) -> list[str]:
    listed: dict[str, str] = {}
    for line in (folder / _SUMS).read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    there: dict[str, Path] = {}
    found: list[str] = []
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            found.append(f"{name}: not a regular file")
        elif path.is_file() and name != _SUMS:
            there[name] = path
    found += [f"{name}: missing" for name in sorted(listed.keys() - there.keys())]
    found += [f"{name}: not in {_SUMS}" for name in sorted(there.keys() - listed.keys())]
    for name in sorted(listed.keys() & there.keys()):
        if _digest(there[name]) != listed[name]:
            found.append(f"{name}: its bytes were changed")
    return found


def _digest(path: Path) -> str:
    sha = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            sha.update(block)
    return sha.hexdigest()


# --- 2. and 4. events ---


def _events(folder: Path, vkeys: Sequence[str]) -> list[str]:
    found: list[str] = []
    rows = json.loads((folder / "commitments.json").read_bytes())
    by_number = {int(row["number"]): row for row in rows}
    paths = sorted((folder / "events").glob("*.json"))
    if sorted(by_number) != list(range(1, len(paths) + 1)) or not paths:
        found.append(f"events: {len(paths)} files, but commitments to {sorted(by_number)}")
    for number, path in enumerate(paths, 1):
        place = f"events/{path.name}"
        data = path.read_bytes()
        event, row = json.loads(data), by_number.get(number)
        if event.get("number") != number:
            found.append(f"{place}: it says that it is event {event.get('number')}, not {number}")
        if row is None:
            continue
        entry = (folder / str(row["entry"])).read_bytes()
        body = json.loads(entry)["body"]
        salt = base64.b64decode(row["salt"], validate=True)
        committed = hashlib.sha256(_DOMAIN + salt + len(data).to_bytes(8, "big") + data).hexdigest()
        if body.get("commitment") != f"sha256:{committed}":
            found.append(f"{place}: not what the log committed to")
        if (body.get("incident"), body.get("number")) != (event.get("incident"), number):
            found.append(f"{row['entry']}: an entry about something else")
        try:
            _included(entry, (folder / str(row["receipt"])).read_bytes(), vkeys)
        except (_Bad, ValueError) as bad:
            found.append(f"{row['receipt']}: {bad}")
    return found


def _included(entry: bytes, receipt: bytes, vkeys: Sequence[str]) -> None:
    """Follow an inclusion proof (RFC 9162 section 2.1.3.2) from an entry to the root of the receipt's checkpoint."""
    head, blank, signed = receipt.partition(b"\n\n")
    lines = head.split(b"\n")
    if not blank or lines[0] != b"c2sp.org/tlog-proof@v1" or not lines[1].startswith(b"index "):
        raise _Bad("not a receipt")
    index, proof = int(lines[1][6:]), [base64.b64decode(line, validate=True) for line in lines[2:]]
    text = signed.split(b"\n")
    size, root = int(text[1]), base64.b64decode(text[2], validate=True)
    if vkeys and _opener()(signed, vkeys) != (size, root):
        raise _Bad("its checkpoint is not the one that was signed")
    place, last, node = index, size - 1, hashlib.sha256(b"\x00" + entry).digest()
    if not 0 <= index < size:
        raise _Bad("its index is outside of the log")
    for sibling in proof:
        if last == 0:
            raise _Bad("its proof is too long")
        if place & 1 or place == last:
            node = hashlib.sha256(b"\x01" + sibling + node).digest()
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            node = hashlib.sha256(b"\x01" + node + sibling).digest()
        place, last = place >> 1, last >> 1
    if last or node != root:
        raise _Bad("the entry is not in the log of its checkpoint")


def _opener() -> _SignedBy:
    # Beside this file where it stands alone, in the package where it does not.
    name = f"{__package__}.verify" if __package__ else "verify"
    opener: _SignedBy = import_module(name).open_signed
    return opener


# --- 3. evidence ---


def _evidence(folder: Path) -> list[str]:
    found: list[str] = []
    named: set[str] = set()
    for path in sorted((folder / "events").glob("*.json")):
        event: dict[str, Any] = json.loads(path.read_bytes())
        if event.get("kind") != "evidence":
            continue
        matching = list((folder / "evidence").glob(f"{int(event['number']):04d}-*"))
        named |= {each.name for each in matching}
        if len(matching) != 1:
            found.append(f"events/{path.name}: its evidence is missing")
        elif f"sha256:{_digest(matching[0])}" != event.get("digest"):
            found.append(f"evidence/{matching[0].name}: not what the event names")
    there = {each.name for each in (folder / "evidence").glob("*")}
    return found + [f"evidence/{name}: no event names it" for name in sorted(there - named)]


# --- the command ---


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives 0 where everything is right, 1 where something is not, 2 on wrong use."""
    parser = argparse.ArgumentParser(description="Check an exported incident, all of it, offline.")
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    parser.add_argument(
        "--vkey", action="append", default=[], help="verifier key of the log; repeat for each"
    )
    options = parser.parse_args(arguments)
    if not (options.folder / _SUMS).is_file():
        sys.stderr.write(f"error: {options.folder} is no exported incident: it has no {_SUMS}\n")
        return 2
    found = check_incident(options.folder, options.vkey)
    lines = found or ["ok: every file, event, piece of evidence and receipt is right"]
    if not options.vkey:
        lines.append("not checked: signatures (give the log's keys with --vkey)")
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
