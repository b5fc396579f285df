"""Signed notes and log checkpoints, with Ed25519 and ML-DSA-44 keys.

Sources: C2SP signed-note v1.0.0 (form, vkeys, key ids, type 0x01), tlog-checkpoint v1.0.0, and tlog-cosignature
v1.1.0-rc.1 for type 0x06, which signs not the text but a `cosigned_message`: the label "subtree/v1\\n\\0", the signer's
name, a timestamp, the log's origin, the range of leaves and the root. ML-DSA-44 is FIPS 204, pure, empty context.

A checkpoint of ours carries one line of each type by the log, named as its origin, and no extension lines (type 0x06 would
not cover them). Our rule is stricter than the specification: `open_checkpoint` wants a good line from every key it is given.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from staffroom.ledger.errors import NoteError
from staffroom.ledger.merkle import HASH_SIZE

__all__ = [
    "Checkpoint",
    "Ed25519Signer",
    "Ed25519Verifier",
    "MlDsa44Signer",
    "MlDsa44Verifier",
    "Note",
    "NoteSignature",
    "Signer",
    "Verifier",
    "checkpoint_text",
    "decode_base64",
    "open_checkpoint",
    "parse_checkpoint_text",
    "parse_note",
    "parse_vkey",
    "sign_checkpoint",
]

ED25519 = 0x01
ML_DSA_44 = 0x06

_MAX_NOTE_BYTES = 200_000
_MAX_SIGNATURES = 64
_SIGNATURE_LINE = re.compile(r"— (\S+) (\S+)")
_KEY_ID_HEX = re.compile(r"[0-9a-f]{8}")
_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the signer's name, its key id (4 bytes), and what follows it."""

    name: str
    key_id: bytes
    blob: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A text that ends in a newline, and its signature lines, not yet verified."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a log says of itself at one moment: its origin, its number of entries, and its root hash (32 bytes)."""

    origin: str
    size: int
    root: bytes


class Verifier(Protocol):
    """A public key under a name."""

    @property
    def name(self) -> str: ...
    @property
    def key_id(self) -> bytes: ...
    @property
    def vkey(self) -> str: ...
    def verify(self, text: str, blob: bytes) -> bool:
        """Tell whether `blob` is this key's signature on the note text."""
        ...


class Signer(Protocol):
    """A private key under a name."""

    @property
    def verifier(self) -> Verifier: ...
    def sign(self, text: str) -> bytes:
        """Sign a note text; gives what follows the key id in its line."""
        ...


@dataclass(frozen=True, slots=True)
class Ed25519Verifier:
    """Type 0x01: an Ed25519 signature on the note text; `public` is 32 bytes."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        return _key_id(self.name, ED25519, self.public)

    @property
    def vkey(self) -> str:
        return _vkey(self.name, ED25519, self.public)

    def verify(self, text: str, blob: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(blob, text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class MlDsa44Verifier:
    """Type 0x06: a timestamp (8 bytes) and an ML-DSA-44 signature on the checkpoint; `public` is 1,312 bytes."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        return _key_id(self.name, ML_DSA_44, self.public)

    @property
    def vkey(self) -> str:
        return _vkey(self.name, ML_DSA_44, self.public)

    def verify(self, text: str, blob: bytes) -> bool:
        timestamp = int.from_bytes(blob[:8], "big")
        if len(blob) != 8 + 2420 or timestamp >= 2**63:
            return False
        message = _cosigned_message(self.name, timestamp, parse_checkpoint_text(text))
        try:
            MLDSA44PublicKey.from_public_bytes(self.public).verify(blob[8:], message)
        except InvalidSignature:
            return False
        return True


class Ed25519Signer:
    """Signs note texts with an Ed25519 key; `seed` is 32 bytes and never shown."""

    def __init__(self, name: str, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier = Ed25519Verifier(_checked_name(name), self._key.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        return self._key.sign(text.encode())


class MlDsa44Signer:
    """Signs checkpoints with an ML-DSA-44 key; `seed` is 32 bytes and never shown, `clock` gives POSIX seconds."""

    def __init__(self, name: str, seed: bytes, clock: Callable[[], float]) -> None:
        self._key = MLDSA44PrivateKey.from_seed_bytes(seed)
        self._clock = clock
        self.verifier = MlDsa44Verifier(_checked_name(name), self._key.public_key().public_bytes_raw())

    def sign(self, text: str) -> bytes:
        timestamp = int(self._clock())
        message = _cosigned_message(self.verifier.name, timestamp, parse_checkpoint_text(text))
        return timestamp.to_bytes(8, "big") + self._key.sign(message)


def parse_vkey(vkey: str) -> Verifier:
    """Read a verifier key `name+id+base64(type, key)`; raises NoteError on any type but 0x01 and 0x06."""
    name, _, rest = vkey.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    material = decode_base64(encoded)
    if material[:1] == bytes([ED25519]) and len(material) == 1 + 32:
        verifier: Verifier = Ed25519Verifier(_checked_name(name), material[1:])
    elif material[:1] == bytes([ML_DSA_44]) and len(material) == 1 + 1312:
        verifier = MlDsa44Verifier(_checked_name(name), material[1:])
    else:
        raise NoteError("this verifier key is neither Ed25519 (0x01) nor ML-DSA-44 (0x06)", where=name)
    if not _KEY_ID_HEX.fullmatch(key_id) or bytes.fromhex(key_id) != verifier.key_id:
        raise NoteError("the key id does not belong to the name and key beside it", where=name)
    return verifier


def parse_note(data: bytes | str) -> Note:
    """Read a signed note without verifying it; raises NoteError unless it has exactly the specified form."""
    raw = data.encode() if isinstance(data, str) else data
    if len(raw) > _MAX_NOTE_BYTES:
        raise NoteError(f"a note of {len(raw)} bytes, more than {_MAX_NOTE_BYTES}")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        raise NoteError(f"byte {error.start} is not UTF-8") from error
    if any(ord(c) < 0x20 and c != "\n" for c in text):
        raise NoteError("a note must not have control characters")
    body, blank, lines = text.rpartition("\n\n")
    if not blank or not lines.endswith("\n"):
        raise NoteError("a note is a text, a blank line, and signature lines that each end in a newline")
    signatures = []
    for number, line in enumerate(lines[:-1].split("\n"), start=1):
        match = _SIGNATURE_LINE.fullmatch(line)
        if match is None or "+" in match[1]:
            raise NoteError("not of the form «— name base64»", where=f"signature line {number}")
        blob = decode_base64(match[2])
        if len(blob) <= 4:
            raise NoteError("a signature shorter than its key id", where=f"signature line {number}")
        signatures.append(NoteSignature(match[1], blob[:4], blob[4:]))
    if len(signatures) > _MAX_SIGNATURES:
        raise NoteError(f"{len(signatures)} signatures, more than {_MAX_SIGNATURES}")
    return Note(body + "\n", tuple(signatures))


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """Write the three lines that are signed."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n"


def parse_checkpoint_text(text: str) -> Checkpoint:
    """Read origin, size and root from a note text; extension lines are refused, since not every signature covers them."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise NoteError("a checkpoint has three lines: origin, size, root")
    origin, size, root = lines[:3]
    if not origin:
        raise NoteError("the origin is empty", where="line 1")
    if not _DECIMAL.fullmatch(size) or int(size) >= 2**63:
        raise NoteError("not a number of entries", where="line 2")
    digest = decode_base64(root)
    if len(digest) != HASH_SIZE:
        raise NoteError(f"a root of {len(digest)} bytes", where="line 3")
    return Checkpoint(origin, int(size), digest)


def sign_checkpoint(checkpoint: Checkpoint, signers: Sequence[Signer]) -> str:
    """Sign with every key; gives the whole note."""
    text = checkpoint_text(checkpoint)
    lines = [
        f"— {signer.verifier.name} {base64.b64encode(signer.verifier.key_id + signer.sign(text)).decode()}\n"
        for signer in signers
    ]
    return text + "\n" + "".join(lines)


def open_checkpoint(data: bytes | str, verifiers: Sequence[Verifier]) -> Checkpoint:
    """Read a checkpoint that every one of `verifiers` (at least one) has signed; lines of other keys are ignored.

    Raises NoteError if it is malformed, a signature is missing, or any line of a known key is wrong.
    """
    if not verifiers:
        raise NoteError("no verifier key given, so nothing can be trusted")
    note = parse_note(data)
    checkpoint = parse_checkpoint_text(note.text)
    for verifier in verifiers:
        own = [s for s in note.signatures if (s.name, s.key_id) == (verifier.name, verifier.key_id)]
        if not own:
            raise NoteError(f"no signature by {verifier.name} ({type(verifier).__name__})")
        if not all(verifier.verify(note.text, signature.blob) for signature in own):
            raise NoteError(f"the signature by {verifier.name} ({type(verifier).__name__}) is wrong")
    return checkpoint


def decode_base64(text: str) -> bytes:
    """Decode standard base64, accepting only the one spelling that encoding gives; raises NoteError."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError(f"not base64: {text[:60]!r}") from error
    # Unused bits after the last character would otherwise let two spellings stand for one value.
    if base64.b64encode(data).decode() != text:
        raise NoteError(f"not canonical base64: {text[:60]!r}")
    return data


def _cosigned_message(name: str, timestamp: int, checkpoint: Checkpoint) -> bytes:
    signer, origin = name.encode(), checkpoint.origin.encode()
    if len(signer) > 255 or len(origin) > 255:
        raise NoteError("a name longer than 255 bytes cannot be signed with ML-DSA-44")
    return b"".join(
        (
            b"subtree/v1\n\x00",
            bytes([len(signer)]) + signer,
            timestamp.to_bytes(8, "big"),
            bytes([len(origin)]) + origin,
            (0).to_bytes(8, "big"),
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def _checked_name(name: str) -> str:
    if not name or "+" in name or any(c.isspace() or ord(c) < 0x20 for c in name):
        raise NoteError(f"{name!r} cannot name a key: it must not be empty, nor have spaces or a plus sign")
    return name


def _key_id(name: str, kind: int, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def _vkey(name: str, kind: int, public: bytes) -> str:
    encoded = base64.b64encode(bytes([kind]) + public).decode()
    return f"{name}+{_key_id(name, kind, public).hex()}+{encoded}"
