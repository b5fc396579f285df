"""The verifier that runs alone: it misses no byte, names the place, and its signatures are those of the library."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from ledger_world import files_of

from staffroom.ledger import Log, LogKeys, Problem, ProofError, verify, verify_log, verify_proof, write_proof

OpenLog = Callable[..., Log]


@pytest.fixture
def small_log(tmp_path: Path, open_log: OpenLog) -> Path:
    """Seven entries of several lengths in three checkpoints, so three widths of partial tiles."""
    with open_log(tmp_path) as log:
        log.append([b"a:1", b"", b"b:a somewhat longer entry"])
        log.append([b"c:3"])
        log.append([b"d:4", bytes(30), b"e:6"])
    return tmp_path / "log"


def test_a_good_log(small_log: Path, keys: LogKeys) -> None:
    report = verify_log(small_log, keys.vkeys)
    assert (report.ok, report.size, report.problems, report.unchecked) == (True, 7, (), ())
    partly = verify_log(small_log, keys.vkeys[:1])
    assert partly.ok and len(partly.unchecked) == 1


def test_every_byte_of_every_tile_counts(small_log: Path, keys: LogKeys) -> None:
    report = verify_log(small_log, keys.vkeys)
    root = bytes.fromhex(report.root)
    for name, data in files_of(small_log / "tile").items():
        path = small_log / "tile" / name
        for place in range(len(data)):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :])
            problems, _ = verify.check_tree(small_log, 7, root)
            assert len(problems) == 1, (name, place)
            if name.startswith("entries"):
                offset = int(problems[0].where.rpartition(" ")[2])
                assert problems[0].where.startswith(f"tile/{name} entry ")
                assert offset <= place < offset + 2 + int.from_bytes(data[offset : offset + 2], "big")
            else:
                assert problems[0].where == f"tile/{name} byte {place}"
        for wrong in (data[:-1], data + b"\x00", b""):
            path.write_bytes(wrong)
            problems, _ = verify.check_tree(small_log, 7, root)
            assert problems and problems[0].where.startswith(f"tile/{name}")
        path.write_bytes(data)
    assert verify.check_tree(small_log, 7, root) == ([], [])


def test_every_byte_of_the_checkpoint_counts(small_log: Path, keys: LogKeys) -> None:
    path = small_log / "checkpoint"
    data = path.read_bytes()
    second = data.rindex(b"\n", 0, -1)
    # Each byte before the long ML-DSA line, and a sample of that line: each costs a signature check in plain Python.
    for place in [
        *range(second + 40),
        *range(second + 40, len(data), 61),
        len(data) - 3,
        len(data) - 2,
        len(data) - 1,
    ]:
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        report = verify_log(small_log, keys.vkeys)
        assert not report.ok and report.problems[0].where == "checkpoint", place
    path.unlink()
    assert verify_log(small_log, keys.vkeys).problems[0].where == "checkpoint"


def test_missing_and_foreign_files_are_named(small_log: Path, keys: LogKeys, tmp_path: Path) -> None:
    for name in ("tile/entries/000.p/7", "tile/0/000.p/7"):
        shutil.move(small_log / name, tmp_path / "aside")
        report = verify_log(small_log, keys.vkeys)
        assert (
            report.problems == (Problem(name, report.problems[0].what),)
            and "missing" in report.problems[0].what
        )
        shutil.move(tmp_path / "aside", small_log / name)
    for name in ("notes.txt", "tile/0/000.p/07", "tile/9/000", "tile/entries/1", "tile/0/000.p/x"):
        (small_log / name).parent.mkdir(parents=True, exist_ok=True)
        (small_log / name).write_bytes(b"")
        assert [p.where for p in verify_log(small_log, keys.vkeys).problems] == [name]
        (small_log / name).unlink()
    (small_log / "link").symlink_to(small_log / "checkpoint")
    assert [p.where for p in verify_log(small_log, keys.vkeys).problems] == ["link"]


def test_files_beyond_the_checkpoint_are_told_apart(small_log: Path, keys: LogKeys) -> None:
    (small_log / "tile/entries/000.p/8").write_bytes(b"unsigned")
    (small_log / "tile/0/000.p/.8.tmp").write_bytes(b"")
    report = verify_log(small_log, keys.vkeys)
    assert report.ok and report.pending == ("tile/0/000.p/.8.tmp", "tile/entries/000.p/8")


def test_a_rewritten_log_does_not_extend_the_old_one(
    small_log: Path, keys: LogKeys, tmp_path: Path, open_log: OpenLog
) -> None:
    report = verify_log(small_log, keys.vkeys)
    old = (report.size, bytes.fromhex(report.root))
    for number, entries in enumerate(([b"x"], [b"%d" % i for i in range(9)])):
        with open_log(tmp_path / str(number)) as log:
            log.append(entries)
        assert verify_log(tmp_path / str(number) / "log", keys.vkeys).ok
        assert not verify_log(tmp_path / str(number) / "log", keys.vkeys, old).ok
    with open_log(tmp_path) as log:
        log.append([b"more"])
    assert verify_log(small_log, keys.vkeys, old).ok


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_damage_anywhere_never_raises_and_never_passes(
    open_log: OpenLog, keys: LogKeys, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    base = tmp_path_factory.mktemp("damaged")
    with open_log(base) as log:
        log.append([b"%d:entry" % i for i in range(data.draw(st.sampled_from([1, 3, 255, 256, 260])))])
    files = files_of(base / "log")
    names = data.draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=3, unique=True))
    for name in names:
        if data.draw(st.booleans()):
            (base / "log" / name).unlink()
        else:
            garbage = data.draw(st.binary(max_size=200).filter(lambda b, n=name: b != files[n]))
            (base / "log" / name).write_bytes(garbage)
    assert not verify_log(base / "log", keys.vkeys[:1]).ok


@settings(max_examples=12, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=100), st.integers(0, 2419), st.integers(0, 7))
def test_signatures_agree_with_the_library(seed: bytes, message: bytes, place: int, bit: int) -> None:
    edwards, lattice = Ed25519PrivateKey.from_private_bytes(seed), MLDSA44PrivateKey.from_seed_bytes(seed)
    cases = (
        (verify.verify_ed25519, edwards.public_key().public_bytes_raw(), edwards.sign(message)),
        (verify.verify_ml_dsa_44, lattice.public_key().public_bytes_raw(), lattice.sign(message)),
    )
    for check, public, signature in cases:
        assert check(public, message, signature)
        assert not check(public, message + b"x", signature)
        flipped = bytearray(signature)
        flipped[place % len(signature)] ^= 1 << bit
        assert not check(public, message, bytes(flipped))
        assert not check(public, message, signature[:-1])


def test_second_spellings_of_ed25519_are_refused() -> None:
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"text")
    order = 2**252 + 27742317777372353535851937790883648493
    shifted = int.from_bytes(signature[32:], "little") + order
    assert not verify.verify_ed25519(public, b"text", signature[:32] + shifted.to_bytes(32, "little"))
    assert not verify.verify_ed25519((2**255 - 18).to_bytes(32, "little"), b"text", signature)


def test_second_spellings_of_ml_dsa_are_refused() -> None:
    key = MLDSA44PrivateKey.from_seed_bytes(bytes(32))
    public, message = key.public_key().public_bytes_raw(), b"text"
    signature = key.sign(message)
    while signature[-5] != 0 or signature[-4] < 2:  # the last hint unused, two hints in the first row
        signature = key.sign(message)
    assert verify.verify_ml_dsa_44(public, message, signature)
    hints = len(signature) - 84
    swapped = bytearray(signature)
    swapped[hints], swapped[hints + 1] = swapped[hints + 1], swapped[hints]
    unused = bytearray(signature)
    unused[hints + 79] = 1
    too_many = bytearray(signature)
    too_many[-1] = 81
    for wrong in (swapped, unused, too_many):
        assert not verify.verify_ml_dsa_44(public, message, bytes(wrong))


def run_alone(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a copy of the one file in a bare interpreter that sees no installed package."""
    script = tmp_path / "verify.py"
    shutil.copy(verify.__file__, script)
    return subprocess.run(
        [sys.executable, "-I", "-S", str(script), *arguments], capture_output=True, text=True, check=False
    )


def test_it_runs_alone(small_log: Path, keys: LogKeys, tmp_path: Path, open_log: OpenLog) -> None:
    vkeys = [argument for vkey in keys.vkeys for argument in ("--vkey", vkey)]
    old = tmp_path / "old-checkpoint"
    shutil.copy(small_log / "checkpoint", old)
    with open_log(tmp_path) as log:
        log.append([b"one more"])
    good = run_alone(tmp_path, str(small_log), *vkeys, "--old-checkpoint", str(old))
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.startswith("ok: 8 entries, root ")
    (small_log / "tile/0/000.p/8").write_bytes(bytes(256))
    bad = run_alone(tmp_path, str(small_log), *vkeys)
    assert (bad.returncode, bad.stdout) == (
        1,
        "tile/0/000.p/8 byte 0: not the hash of the entries below it\n",
    )
    assert run_alone(tmp_path, str(small_log), "--vkey", "nonsense").returncode == 2
    assert run_alone(tmp_path, str(small_log)).returncode == 2


def test_receipts(small_log: Path, keys: LogKeys) -> None:
    receipt = write_proof(small_log, 2, extra=b"from the clerk")
    entry = b"b:a somewhat longer entry"
    proven = verify_proof(receipt, entry, keys.verifiers)
    assert (proven.index, proven.checkpoint.size, proven.extra) == (2, 7, b"from the clerk")
    with pytest.raises(ProofError, match="another root"):
        verify_proof(receipt, b"b:another entry", keys.verifiers)
    with pytest.raises(ProofError, match="not in this log"):
        write_proof(small_log, 7)
    for wrong in ("", receipt.replace("index 2", "index 02"), receipt.replace("index 2\n", ""), receipt[:30]):
        with pytest.raises(ProofError):
            verify_proof(wrong, entry, keys.verifiers)
