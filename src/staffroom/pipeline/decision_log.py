"""The decision log: what may be said of a run in public, each entry once, persons and documents as salted commitments.

Entry: {"type", "key", "at", "run", "body"}; `key` makes an append idempotent, so that a run that was killed and
started again writes nothing twice. Salts and what they hide are in `private/`, so that erasing them erases the
link and leaves every proof valid.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from staffroom.ledger import (
    MAX_ENTRY_BYTES,
    Log,
    LogKeys,
    Problem,
    VerifyReport,
    check_control,
    check_decisions,
    check_exams,
    check_paired,
    commit,
    folder_nodes,
    generate_keys,
    load_keys,
    new_salt,
    read_checkpoint,
    read_entries,
    read_entry,
    read_last_signed,
    verify_log,
)
from staffroom.ledger.merkle import range_hash
from staffroom.records.digests import canonical_json, digest_bytes, digest_value
from staffroom.records.errors import StaffroomError
from staffroom.store import Home, ObjectStore, to_text, utc_now, write_durably

__all__ = ["DecisionLog", "LoggedEntry"]

_WAIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    """An entry of the log as a reader sees it."""

    index: int
    entry: dict[str, Any]


class DecisionLog:
    """The decision log of one home; it is open only while something is appended."""

    def __init__(self, home: Home, *, rehearsal: bool = False) -> None:
        """rehearsal: a log of its own in `private/`, so that a dry run charges no alpha and publishes nothing."""
        self._home = home
        self._folder = home.private / "rehearsal" / "log" if rehearsal else home.log
        self._keys = home.private / "rehearsal" / "keys" if rehearsal else home.keys

    @property
    def folder(self) -> Path:
        """The folder that any web server can publish."""
        return self._folder

    @property
    def last_signed(self) -> Path:
        """Where the last signed size and root are kept, outside the folder."""
        return self._keys / "decisions.last-signed"

    def keys(self) -> LogKeys:
        """Return the log's keys, made at the first call; their name is the log's origin."""
        folder = self._keys / "decisions"
        # A process that died while it made them left no private key; one that signed already never gets another.
        if not (folder / "log.key").exists() and not self.last_signed.exists():
            origin = f"staffroom.local/{digest_bytes(new_salt())[7:19]}/decisions"
            return generate_keys(folder, origin)
        return load_keys(folder)

    def vkeys(self) -> tuple[str, ...]:
        """Return the verifier keys; a home that was restored without its private keys still has these."""
        folder = self._keys / "decisions"
        if not (folder / "log.key").exists() and (folder / "log.vkeys").exists():
            return tuple((folder / "log.vkeys").read_text(encoding="utf-8").split())
        return self.keys().vkeys

    def append(self, kind: str, key: str, run: str, body: Mapping[str, Any], *, reconciled: str = "") -> int:
        """Append one entry under a signed checkpoint and return its index; a known key returns the entry there is.

        A body that is too long for an entry (65,535 bytes) is kept as an artifact, and logged by its digest.
        reconciled: the restore after which this entry is the first (`pipeline/reconcile.py`).
        """
        frame = {"type": kind, "key": key, "at": to_text(utc_now()), "run": run}
        entry = canonical_json({**frame, "body": dict(body)})
        if len(entry) > MAX_ENTRY_BYTES:
            digest = ObjectStore(self._home.objects).put_json(dict(body))
            entry = canonical_json({**frame, "body": {"kept_as": digest, "bytes": len(entry)}})
        keys = self.keys()
        with Log.open(
            self.folder,
            keys.signers,
            keys.signers[0].verifier.name,
            last_signed=self.last_signed,
            key_of=_key_of,
            wait_seconds=_WAIT_SECONDS,
            reconciled=reconciled,
        ) as log:
            return log.append([entry], [key])[0]

    def checkpoint(self) -> str:
        """Return the published checkpoint, a signed note."""
        return read_checkpoint(self.folder)

    def kept_checkpoint(self, name: str) -> str:
        """Return the checkpoint that was published when this was first asked under a name."""
        path = self._home.private / "checkpoints" / name
        if path.exists():
            return path.read_text(encoding="utf-8")
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        checkpoint = self.checkpoint()
        write_durably(path, checkpoint.encode())
        return checkpoint

    def root_after(self, index: int) -> str:
        """Return the root (hex) of the tree whose last entry is `index`: it is fixed for ever once that was signed."""
        nodes = folder_nodes(self.folder, self.size())
        return range_hash(0, index + 1, nodes).hex()

    def seed_after(self, index: int) -> int:
        """Return the seed that the tree ending with this entry fixes: 48 bits that nobody could choose."""
        text = f"staffroom seed {self.root_after(index)}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")

    def size(self) -> int:
        """Return the number of entries that were signed, 0 where there is no log yet."""
        record = read_last_signed(self.last_signed)
        return 0 if record is None else record.size

    def entries(self) -> list[LoggedEntry]:
        """Return all entries, oldest first."""
        size = self.size()
        return [
            LoggedEntry(index, read_entry(data))
            for index, data in enumerate(read_entries(self.folder, size) if size else [])
        ]

    def find(self, key: str) -> LoggedEntry | None:
        """Return the entry with this key, if there is one."""
        return next((item for item in self.entries() if item.entry.get("key") == key), None)

    def verify(self) -> VerifyReport:
        """Recompute everything and return what is wrong, if anything is; rules are checked on a log that is whole."""
        record = read_last_signed(self.last_signed)
        known = None if record is None else (record.size, record.root)
        report = verify_log(self.folder, list(self.vkeys()), known)
        problems: tuple[Problem, ...] = ()
        if report.ok and report.size:
            entries = list(read_entries(self.folder, report.size))
            broken = [(one.entry, one.what) for one in check_exams(entries)]
            broken += [(one.entry, one.what) for one in check_decisions(entries)]
            broken += [(one.entry, one.what) for one in check_paired(entries)]
            broken += [(one.entry, one.what) for one in check_control(entries)]
            problems = tuple(Problem(f"entry {entry}", what) for entry, what in sorted(broken))
        return replace(report, ok=report.ok and not problems, problems=report.problems + problems)

    def commitment_to(self, what: str, value: str) -> str:
        """Return a salted commitment to a person or document; the same value gives the same commitment in this home."""
        folder = self._home.private / "commitments"
        path = folder / f"{digest_value([what, value]).removeprefix('sha256:')}.json"
        if path.exists():
            try:
                kept = json.loads(path.read_text(encoding="utf-8"))
                return str(kept["commitment"])
            except (ValueError, KeyError, OSError) as error:
                raise StaffroomError(
                    "a kept commitment cannot be read", where=str(path), hint="restore private/ from a backup"
                ) from error
        salt = new_salt()
        commitment = commit(value.encode(), salt)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        kept = {
            "what": what,
            "value": value,
            "salt": base64.b64encode(salt).decode(),
            "commitment": commitment,
        }
        write_durably(path, canonical_json(kept), mode=0o600)
        return commitment

    def value_behind(self, commitment: str) -> str | None:
        """Return what a commitment to a person or document hides, None once that was erased."""
        for path in sorted((self._home.private / "commitments").glob("*.json")):
            try:
                kept = json.loads(path.read_text(encoding="utf-8"))
            except (ValueError, OSError):
                continue  # one that cannot be read hides nothing that could be told
            if isinstance(kept, dict) and kept.get("commitment") == commitment:
                return str(kept.get("value"))
        return None

    def kept_salt(self, name: str) -> bytes:
        """Return 32 random bytes kept under a name in `private/`, made at the first call."""
        salt = self.salt(name)
        if salt is None:
            salt, path = new_salt(), self._salt_path(name)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_durably(path, salt, mode=0o600)
        return salt

    def salt(self, name: str) -> bytes | None:
        """Return the bytes that are kept under a name, None where none were made."""
        path = self._salt_path(name)
        return path.read_bytes() if path.exists() else None

    def _salt_path(self, name: str) -> Path:
        return self._home.private / "salts" / digest_bytes(name.encode()).removeprefix("sha256:")


def _key_of(entry: bytes) -> str | None:
    key = read_entry(entry).get("key")
    return key if isinstance(key, str) else None
