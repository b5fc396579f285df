"""Checks a log that somebody else wrote: this one file, with Python's standard library alone, no network, nothing installed.

    python verify.py LOGDIR --vkey VKEY [--vkey VKEY ...] [--old-checkpoint FILE]

It shares no code with the writer. It trusts the verifier keys given, and derives everything else:

1. The checkpoint is well-formed and carries a good signature by every key given (Ed25519, ML-DSA-44; both computed here).
2. Every tile and every partial tile is re-derived from the entry bundles, byte by byte, up to the signed root.
3. Every file in the folder is one that belongs to the log.
4. The tree extends the one that was signed before, if that is given.

A finding names the file and the byte or entry. It does not tell whether the log showed others a different tree: compare the
checkpoint with theirs. Lines by other keys (witnesses) are listed, not checked.

Sources: RFC 6962 section 2.1; C2SP signed-note v1.0.0, tlog-checkpoint v1.0.0, tlog-cosignature v1.1.0-rc.1 (type 0x06),
tlog-tiles v0.1.0; RFC 8032 section 5.1.7; FIPS 204 algorithms 3 and 8.
"""

import argparse
import base64
import binascii
import hashlib
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = [
    "Problem",
    "VerifyReport",
    "check_tree",
    "main",
    "open_signed",
    "verify_ed25519",
    "verify_log",
    "verify_ml_dsa_44",
]

_ED25519, _ML_DSA_44 = 0x01, 0x06
_TILE_PATH = re.compile(r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `where` is a file with byte or entry, `what` says it in a sentence."""

    where: str
    what: str


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What was found: `size` and `root` (hex) as signed, empty and 0 where the checkpoint itself is bad.

    `pending` lists files beyond the checkpoint (an append under way or interrupted), which nothing signed and no reader may trust;
    `unchecked` lists signature lines by keys that were not given.
    """

    ok: bool
    size: int
    root: str
    problems: tuple[Problem, ...]
    pending: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


class _Bad(Exception):
    """A problem that ends the reading of one file."""


def verify_log(
    folder: Path, vkeys: Sequence[str], last_signed: tuple[int, bytes] | None = None
) -> VerifyReport:
    """Check a whole log folder against the keys of its log and, if known, an older (size, root) that it must extend.

    Never raises on what the folder holds; raises ValueError on a malformed key, OSError where the disk cannot be read.
    """
    keys = [_Key.parse(vkey) for vkey in vkeys]
    if not keys:
        raise ValueError("without a verifier key nothing can be trusted")
    for attempt in range(3):
        try:
            signed = _open_signed(_read_regular(Path(folder) / "checkpoint"), keys)
            problems, pending = check_tree(Path(folder), signed.size, signed.root, last_signed)
            break
        except _Bad as bad:
            return VerifyReport(False, 0, "", (Problem("checkpoint", str(bad)),))
        except FileNotFoundError:
            # A writer may remove a partial tile, now full, between our listing and our reading.
            if attempt == 2:
                raise
    return VerifyReport(
        not problems, signed.size, signed.root.hex(), tuple(problems), tuple(pending), signed.unchecked
    )


def open_signed(data: bytes, vkeys: Sequence[str]) -> tuple[int, bytes]:
    """Check a checkpoint by itself and give the size and root it signs; raises ValueError where anything is wrong."""
    try:
        signed = _open_signed(data, [_Key.parse(vkey) for vkey in vkeys])
    except _Bad as bad:
        raise ValueError(str(bad)) from bad
    return signed.size, signed.root


# --- 1. the checkpoint ---


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> "_Key":
        parts = vkey.strip().split("+", 2)
        try:
            name, key_id, material = parts[0], parts[1], base64.b64decode(parts[2], validate=True)
        except (IndexError, binascii.Error) as error:
            raise ValueError("a verifier key has the form name+id+base64") from error
        key = cls(name, material[0] if material else 0, material[1:])
        if (key.kind, len(key.public)) not in ((_ED25519, 32), (_ML_DSA_44, 1312)):
            raise ValueError("the verifier key is neither Ed25519 nor ML-DSA-44")
        if not 0 < len(name.encode()) < 256 or key.key_id.hex() != key_id:
            raise ValueError("the id in the verifier key does not belong to its name and key")
        return key

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[:4]

    def verifies(self, text: bytes, blob: bytes, origin: bytes, size: int, root: bytes) -> bool:
        if self.kind == _ED25519:
            return verify_ed25519(self.public, text, blob)
        stamp, name = blob[:8], self.name.encode()
        head = b"subtree/v1\n\x00" + bytes([len(name)]) + name + stamp + bytes([len(origin)]) + origin
        message = head + bytes(8) + size.to_bytes(8, "big") + root
        return stamp < b"\x80" and verify_ml_dsa_44(self.public, message, blob[8:])


@dataclass(frozen=True, slots=True)
class _Signed:
    size: int
    root: bytes
    unchecked: tuple[str, ...]


def _open_signed(data: bytes, keys: Sequence[_Key]) -> _Signed:
    if len(data) > 200_000:
        raise _Bad(f"{len(data)} bytes are no checkpoint")
    body, blank, rest = data.rpartition(b"\n\n")
    lines = body.split(b"\n")
    if not blank or not rest.endswith(b"\n") or len(lines) != 3 or not lines[0]:
        raise _Bad("not three lines (origin, size, root), a blank line, and signatures")
    if not re.fullmatch(rb"0|[1-9][0-9]{0,17}", lines[1]):
        raise _Bad("line 2: not a number of entries")
    size, root = int(lines[1]), _base64(lines[2], "line 3")
    if len(root) != 32 or len(lines[0]) > 255:
        raise _Bad("line 3: not a hash of 32 bytes" if len(root) != 32 else "line 1: longer than 255 bytes")
    waiting, unchecked = list(keys), []
    for number, line in enumerate(rest[:-1].split(b"\n"), start=5):
        match = re.fullmatch("— ([^\\s\\x00-\\x1f+]+) ([A-Za-z0-9+/=]+)".encode(), line)
        blob = _base64(match[2], f"line {number}") if match else b""
        if match is None or len(blob) <= 4:
            raise _Bad(f"line {number}: not a signature line")
        key = next((k for k in keys if (k.name.encode(), k.key_id) == (match[1], blob[:4])), None)
        if key is None:
            unchecked.append(f"line {number}: {match[1].decode(errors='replace')}")
        elif not key.verifies(body + b"\n", blob[4:], lines[0], size, root):
            raise _Bad(f"line {number}: the signature is wrong, or the lines above were changed")
        elif key in waiting:
            waiting.remove(key)
    if waiting:
        kind = "ML-DSA-44" if waiting[0].kind == _ML_DSA_44 else "Ed25519"
        raise _Bad(f"no {kind} signature by the key of {waiting[0].name}")
    return _Signed(size, root, tuple(unchecked))


def _base64(text: bytes, where: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise _Bad(f"{where}: not base64") from error
    if base64.b64encode(data) != text:
        raise _Bad(f"{where}: not canonical base64")
    return data


# --- 2. to 4. the tree ---


@dataclass(slots=True)
class _Found:
    """The files of the folder, by what they are: (index, width) of bundles, (level, index, width) of tiles."""

    bundles: dict[tuple[int, int], str] = field(default_factory=dict)
    tiles: dict[tuple[int, int, int], str] = field(default_factory=dict)


def check_tree(
    folder: Path, size: int, root: bytes, last_signed: tuple[int, bytes] | None = None
) -> tuple[list[Problem], list[str]]:
    """Re-derive the tree of `size` entries; gives problems, and the files beyond that size, which nothing signed."""
    problems: list[Problem] = []
    pending: list[str] = []
    found = _scan(folder, size, problems, pending)
    by_entries = _leaves_of_bundles(folder, size, found, problems)
    by_tiles = _leaves_of_tiles(folder, size, found, problems)
    # Entries and tiles are two accounts of the same leaves: the one that the signature vouches for judges the other.
    if _root(by_entries) == root:
        leaves = by_entries
    elif _root(by_tiles) == root:
        leaves = by_tiles
    else:
        problems.append(
            Problem("checkpoint", "the signed root is not that of the entries, nor that of the tiles")
        )
        leaves = by_tiles if len(by_tiles) == size else by_entries
    rows = [leaves]
    while len(rows[-1]) >= 256:
        rows.append([_root(rows[-1][i : i + 256]) for i in range(0, len(rows[-1]) - 255, 256)])
    for (index, width), path in sorted(found.bundles.items()):
        problems.extend(_check_bundle(folder, path, leaves[index * 256 : index * 256 + width]))
    for (level, index, width), path in sorted(found.tiles.items()):
        row = rows[level] if level < len(rows) else []
        problems.extend(_check_tile(folder, path, b"".join(row[index * 256 : index * 256 + width])))
    for level, row in enumerate(rows):
        for index in range(-(-len(row) // 256)):
            width = min(256, len(row) - index * 256)
            if not {(level, index, width), (level, index, 256)} & found.tiles.keys():
                problems.append(Problem(_tile_path(level, index, width), "this tile is missing"))
    if last_signed is not None:
        old_size, old_root = last_signed
        if old_size > size:
            problems.append(Problem("checkpoint", f"{size} entries, fewer than the {old_size} signed before"))
        elif _root(leaves[:old_size]) != old_root:
            problems.append(
                Problem("checkpoint", f"its first {old_size} entries are not those signed before")
            )
    return list(dict.fromkeys(problems)), sorted(pending)


def _scan(folder: Path, size: int, problems: list[Problem], pending: list[str]) -> _Found:
    found = _Found()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir() and not path.is_symlink():
            continue
        match = _TILE_PATH.fullmatch(name)
        if name == "checkpoint":
            continue
        if re.fullmatch(r"(tile/.*)?\.[0-9a-z]+\.tmp", name, re.DOTALL):
            pending.append(name)
            continue
        index = int(match[2].replace("x", "").replace("/", "")) if match else 0
        width = int(match[3] or 256) if match else 0
        level = 0 if match is None or match[1] == "entries" else int(match[1])
        kind = "entries" if match and match[1] == "entries" else level
        if match is None or not 0 < width <= 256 or name != _tile_path(kind, index, width) or level > 7:
            problems.append(Problem(name, "this file does not belong to a log"))
        elif path.is_symlink() or not path.is_file():
            problems.append(Problem(name, "not a regular file"))
        elif index * 256 + width > size >> 8 * level:
            pending.append(name)
        elif kind == "entries":
            found.bundles[index, width] = name
        else:
            found.tiles[level, index, width] = name
    return found


def _leaves_of_bundles(folder: Path, size: int, found: _Found, problems: list[Problem]) -> list[bytes]:
    leaves: list[bytes] = []
    for index in range(-(-size // 256)):
        width = min(256, size - index * 256)
        path = found.bundles.get((index, width)) or found.bundles.get((index, 256))
        if path is None:
            problems.append(Problem(_tile_path("entries", index, width), "this entry bundle is missing"))
            break
        leaves.extend(_leaf_hashes((folder / path).read_bytes())[0][:width])
    return leaves


def _leaves_of_tiles(folder: Path, size: int, found: _Found, problems: list[Problem]) -> list[bytes]:
    leaves: list[bytes] = []
    for index in range(-(-size // 256)):
        width = min(256, size - index * 256)
        path = found.tiles.get((0, index, width)) or found.tiles.get((0, index, 256))
        if path is None:
            problems.append(Problem(_tile_path(0, index, width), "this tile is missing"))
            break
        data = (folder / path).read_bytes()
        leaves.extend(data[i : i + 32] for i in range(0, min(len(data), width * 32), 32))
    return leaves


def _check_bundle(folder: Path, path: str, expected: list[bytes]) -> list[Problem]:
    data = (folder / path).read_bytes()
    hashes, offsets = _leaf_hashes(data)
    for number, leaf in enumerate(expected):
        if number >= len(hashes):
            return [
                Problem(
                    f"{path} entry {number} byte {offsets[number]}", "the file ends before this entry does"
                )
            ]
        if hashes[number] != leaf:
            return [Problem(f"{path} entry {number} byte {offsets[number]}", "not the entry that was logged")]
    if offsets[len(expected)] != len(data):
        return [Problem(f"{path} byte {offsets[len(expected)]}", "bytes after the last entry")]
    return []


def _check_tile(folder: Path, path: str, expected: bytes) -> list[Problem]:
    data = (folder / path).read_bytes()
    if data == expected:
        return []
    place = next((i for i, (a, b) in enumerate(zip(data, expected, strict=False)) if a != b), None)
    if place is None:
        return [
            Problem(f"{path} byte {min(len(data), len(expected))}", f"{len(data)} bytes, not {len(expected)}")
        ]
    return [Problem(f"{path} byte {place}", "not the hash of the entries below it")]


def _leaf_hashes(data: bytes) -> tuple[list[bytes], list[int]]:
    """Hash the whole entries of a bundle; gives also the offset of each, and of what follows the last."""
    hashes, offsets, offset = [], [0], 0
    while offset + 2 <= len(data):
        end = offset + 2 + int.from_bytes(data[offset : offset + 2], "big")
        if end > len(data):
            break
        hashes.append(hashlib.sha256(b"\x00" + data[offset + 2 : end]).digest())
        offset = end
        offsets.append(offset)
    return hashes, offsets


def _root(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1: split at the largest power of two below the count."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256(b"").digest()
    middle = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\x01" + _root(leaves[:middle]) + _root(leaves[middle:])).digest()


def _tile_path(level: int | str, index: int, width: int) -> str:
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
    name = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"tile/{level}/{name}" + ("" if width == 256 else f".p/{width}")


def _read_regular(path: Path) -> bytes:
    if path.is_symlink() or not path.is_file():
        raise _Bad("missing, or not a regular file")
    return path.read_bytes()


# --- Ed25519, RFC 8032 section 5.1.7 ---

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P

_Point = tuple[int, int, int, int]


def verify_ed25519(public: bytes, message: bytes, signature: bytes) -> bool:
    """Check an Ed25519 signature (64 bytes) by a key of 32 bytes, without cofactor, refusing every second spelling."""
    if len(public) != 32 or len(signature) != 64:
        return False
    key = _decode_point(public)
    s = int.from_bytes(signature[32:], "little")
    if key is None or s >= _ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % _ORDER
    base = _decode_point((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))
    assert base is not None
    negated = (-key[0] % _P, key[1], key[2], -key[3] % _P)
    both = _add(base, negated)
    total: _Point = (0, 1, 1, 0)
    for bit in range(252, -1, -1):
        total = _add(total, total)
        pick = (s >> bit & 1) | (k >> bit & 1) << 1
        if pick:
            total = _add(total, (base, negated, both)[pick - 1])
    x, y, z, _ = total
    inverse = pow(z, -1, _P)
    encoded = (y * inverse % _P) | (x * inverse % _P & 1) << 255
    return encoded.to_bytes(32, "little") == signature[:32]


def _decode_point(data: bytes) -> _Point | None:
    number = int.from_bytes(data, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if y >= _P:
        return None
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * pow(2, (_P - 1) // 4, _P) % _P
    if (x * x - square) % _P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = _P - x
    return x, y, 1, x * y % _P


def _add(p: _Point, q: _Point) -> _Point:
    a = (p[1] - p[0]) * (q[1] - q[0]) % _P
    b = (p[1] + p[0]) * (q[1] + q[0]) % _P
    c = 2 * p[3] * q[3] * _D % _P
    d = 2 * p[2] * q[2] % _P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % _P, g * h % _P, f * g % _P, e * h % _P


# --- ML-DSA-44, FIPS 204 (pure, empty context) ---

_Q = 8380417
_GAMMA1, _GAMMA2, _TAU, _BETA, _OMEGA = 2**17, (_Q - 1) // 88, 39, 78, 80


def verify_ml_dsa_44(public: bytes, message: bytes, signature: bytes) -> bool:
    """Check an ML-DSA-44 signature (2,420 bytes) by a key of 1,312 bytes, with the empty context."""
    if len(public) != 1312 or len(signature) != 2420:
        return False
    hints = _unpack_hints(signature[32 + 4 * 576 :])
    z = [[_GAMMA1 - v for v in _unpack(signature[32 + 576 * i : 608 + 576 * i], 18)] for i in range(4)]
    if hints is None or any(abs(v) >= _GAMMA1 - _BETA for row in z for v in row):
        return False
    zetas = [pow(1753, int(f"{i:08b}"[::-1], 2), _Q) for i in range(256)]
    t1 = [[v << 13 for v in _unpack(public[32 + 320 * i : 352 + 320 * i], 10)] for i in range(4)]
    z_hat = [_ntt(row, zetas) for row in z]
    challenge = _ntt(_sample_challenge(signature[:32]), zetas)
    packed = b""
    for i in range(4):
        row = [-c * t for c, t in zip(challenge, _ntt(t1[i], zetas), strict=True)]
        for j in range(4):
            matrix = _sample_matrix(public[:32] + bytes([j, i]))
            row = [w + a * v for w, a, v in zip(row, matrix, z_hat[j], strict=True)]
        number = 0
        for place, w in enumerate(_inverse_ntt(row, zetas)):
            number |= _use_hint(w, place in hints[i]) << 6 * place
        packed += number.to_bytes(192, "little")
    digest = hashlib.shake_256(public).digest(64)
    mu = hashlib.shake_256(digest + b"\x00\x00" + message).digest(64)
    return hashlib.shake_256(mu + packed).digest(32) == signature[:32]


def _unpack(data: bytes, bits: int) -> list[int]:
    number = int.from_bytes(data, "little")
    return [number >> bits * i & (1 << bits) - 1 for i in range(256)]


def _unpack_hints(data: bytes) -> list[set[int]] | None:
    rows, start = [], 0
    for i in range(4):
        end = data[_OMEGA + i]
        places = list(data[start:end])
        if not start <= end <= _OMEGA or places != sorted(set(places)):
            return None
        rows.append(set(places))
        start = end
    return None if any(data[start:_OMEGA]) else rows


def _sample_challenge(seed: bytes) -> list[int]:
    stream = hashlib.shake_256(seed).digest(2048)
    signs, offset = int.from_bytes(stream[:8], "little"), 8
    poly = [0] * 256
    for i in range(256 - _TAU, 256):
        while stream[offset] > i:
            offset += 1
        poly[i] = poly[stream[offset]]
        poly[stream[offset]] = -1 if signs >> (i + _TAU - 256) & 1 else 1
        offset += 1
    return poly


def _sample_matrix(seed: bytes) -> list[int]:
    stream = hashlib.shake_128(seed).digest(3 * 512)
    values = [int.from_bytes(stream[i : i + 3], "little") & 0x7FFFFF for i in range(0, len(stream), 3)]
    return [v for v in values if v < _Q][:256]


def _ntt(poly: list[int], zetas: list[int]) -> list[int]:
    w, m, length = list(poly), 0, 128
    while length:
        for start in range(0, 256, 2 * length):
            m += 1
            for j in range(start, start + length):
                t = zetas[m] * w[j + length] % _Q
                w[j], w[j + length] = w[j] + t, w[j] - t
        length //= 2
    return [v % _Q for v in w]


def _inverse_ntt(poly: list[int], zetas: list[int]) -> list[int]:
    w, m, length = [v % _Q for v in poly], 256, 1
    while length < 256:
        for start in range(0, 256, 2 * length):
            m -= 1
            for j in range(start, start + length):
                t = w[j]
                w[j], w[j + length] = t + w[j + length], zetas[m] * (w[j + length] - t) % _Q
        length *= 2
    return [v * 8347681 % _Q for v in w]


def _use_hint(value: int, hint: bool) -> int:
    low = value % (2 * _GAMMA2)
    if low > _GAMMA2:
        low -= 2 * _GAMMA2
    high = (value - low) // (2 * _GAMMA2)
    if value - low == _Q - 1:
        high, low = 0, low - 1
    if hint:
        high += 1 if low > 0 else -1
    return high % 44


# --- the command ---


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives 0 where the log is good, 1 where it is not, 2 on wrong use."""
    parser = argparse.ArgumentParser(description="Check a transparency log folder, all of it, offline.")
    parser.add_argument("folder", type=Path, metavar="LOGDIR")
    parser.add_argument(
        "--vkey", action="append", required=True, help="verifier key of the log; repeat for each key"
    )
    parser.add_argument("--old-checkpoint", type=Path, metavar="FILE", help="a checkpoint kept from earlier")
    options = parser.parse_args(arguments)
    try:
        last = None
        if options.old_checkpoint:
            last = open_signed(options.old_checkpoint.read_bytes(), options.vkey)
        report = verify_log(options.folder, options.vkey, last)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    for problem in report.problems:
        print(f"{problem.where}: {problem.what}")
    for line in report.unchecked:
        print(f"not checked: signature on {line} (key not given)")
    for name in report.pending:
        print(f"not signed yet: {name}")
    if report.ok:
        print(f"ok: {report.size} entries, root {report.root}")
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
