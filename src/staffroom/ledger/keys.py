"""The log's private keys: one file that only its owner can read, and beside it the public keys for everyone.

`log.key` holds one line per key, `PRIVATE+KEY+name+id+base64(type, seed)` (the form of Go's note package, type 0x06 by analogy);
`log.vkeys` holds the verifier keys. Nothing here prints or logs a private key. It does not protect against whoever can read as
the same user, and a lost key cannot be replaced: the log then ends and a new one begins.
"""

import base64
import os
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from staffroom.ledger.disk import Disk, put
from staffroom.ledger.errors import KeyFileError, NoteError
from staffroom.ledger.note import (
    ED25519,
    ML_DSA_44,
    Ed25519Signer,
    MlDsa44Signer,
    Signer,
    Verifier,
    decode_base64,
)

__all__ = ["LogKeys", "generate_keys", "load_keys"]

_PRIVATE_NAME = "log.key"
_PUBLIC_NAME = "log.vkeys"
_LINE = re.compile(r"PRIVATE\+KEY\+([^+\s]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)")


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The two signers of one log, Ed25519 first."""

    signers: tuple[Signer, ...]

    @property
    def verifiers(self) -> tuple[Verifier, ...]:
        return tuple(signer.verifier for signer in self.signers)

    @property
    def vkeys(self) -> tuple[str, ...]:
        """What others need to check the log; safe to publish."""
        return tuple(verifier.vkey for verifier in self.verifiers)


def generate_keys(folder: Path, name: str) -> LogKeys:
    """Make both keys under `name` (the log's origin); raises KeyFileError if the folder already has keys."""
    private = folder / _PRIVATE_NAME
    if private.exists():
        raise KeyFileError("there is a key already, and replacing it would end its log", where=str(private))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    seeds = ((ED25519, secrets.token_bytes(32)), (ML_DSA_44, secrets.token_bytes(32)))
    signers = tuple(_signer(name, kind, seed) for kind, seed in seeds)
    lines = [
        f"PRIVATE+KEY+{name}+{signer.verifier.key_id.hex()}+{base64.b64encode(bytes([kind]) + seed).decode()}\n"
        for signer, (kind, seed) in zip(signers, seeds, strict=True)
    ]
    keys = LogKeys(signers)
    disk = Disk()
    put(disk, folder / _PUBLIC_NAME, "".join(f"{vkey}\n" for vkey in keys.vkeys).encode())
    put(disk, private, "".join(lines).encode(), mode=0o600)
    disk.sync_folder(folder)
    return keys


def load_keys(folder: Path) -> LogKeys:
    """Read both keys; raises KeyFileError if they are missing, malformed, or readable by others."""
    private = folder / _PRIVATE_NAME
    try:
        with private.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            lines = file.read().decode().splitlines()
    except FileNotFoundError as error:
        raise KeyFileError(
            "no key here", where=str(private), hint="restore the key from its backup, or begin a new log"
        ) from error
    except UnicodeDecodeError as error:
        raise KeyFileError("not a key file", where=str(private)) from error
    if mode & 0o077:
        raise KeyFileError(
            "others may read this private key", where=str(private), hint=f"chmod 600 {private}"
        )
    signers = tuple(_parse_line(line, f"{private} line {n}") for n, line in enumerate(lines, start=1))
    if [type(signer) for signer in signers] != [Ed25519Signer, MlDsa44Signer]:
        raise KeyFileError("needs one Ed25519 key, then one ML-DSA-44 key", where=str(private))
    return LogKeys(signers)


def _parse_line(line: str, where: str) -> Signer:
    match = _LINE.fullmatch(line)
    if match is None:
        raise KeyFileError("not a private key line", where=where)
    try:
        material = decode_base64(match[3])
    except NoteError:
        # The cause is dropped on purpose: its text quotes the line.
        raise KeyFileError("not a private key line", where=where) from None
    if len(material) != 33 or material[0] not in (ED25519, ML_DSA_44):
        raise KeyFileError("neither an Ed25519 nor an ML-DSA-44 key", where=where)
    signer = _signer(match[1], material[0], material[1:])
    if signer.verifier.key_id.hex() != match[2]:
        raise KeyFileError("the key id does not belong to the name and key beside it", where=where)
    return signer


def _signer(name: str, kind: int, seed: bytes) -> Signer:
    return Ed25519Signer(name, seed) if kind == ED25519 else MlDsa44Signer(name, seed, time.time)
