"""The log against files that others made: Merkle proof vectors, and a log written by another implementation."""

import base64
import json
import shutil
from pathlib import Path

import pytest

from staffroom.ledger import (
    LedgerError,
    consistency_proof,
    folder_nodes,
    open_checkpoint,
    parse_vkey,
    read_entries,
    verify_consistency,
    verify_inclusion,
    verify_log,
    verify_proof,
    verify_subtree_consistency,
    verify_subtree_inclusion,
    write_proof,
)

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "tlog-vectors"
GOLDEN_VKEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"acceptance data not found at {DATA}")


def cases(kind: str) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted((DATA / "merkle" / kind).rglob("*.json"))]


def run_case(kind: str, case: dict[str, object]) -> None:
    def decode(text: object) -> bytes:
        return base64.b64decode(str(text)) if text else b""

    proof = [decode(node) for node in case["proof"] or []]  # type: ignore[attr-defined]
    number = {name: int(value) for name, value in case.items() if type(value) is int}
    if kind == "inclusion":
        verify_inclusion(
            number["leafIdx"], number["treeSize"], decode(case["leafHash"]), proof, decode(case["root"])
        )
    elif kind == "consistency":
        verify_consistency(
            number["size1"], number["size2"], proof, decode(case["root1"]), decode(case["root2"])
        )
    elif kind == "subtreeinclusion":
        verify_subtree_inclusion(
            number["leafIdx"],
            number["start"],
            number["end"],
            decode(case["leafHash"]),
            proof,
            decode(case["root"]),
        )
    else:
        verify_subtree_consistency(
            number["start"],
            number["end"],
            number["size"],
            proof,
            decode(case["root1"]),
            decode(case["root2"]),
        )


@pytest.mark.parametrize(
    ("kind", "count"),
    [("inclusion", 98), ("consistency", 98), ("subtreeinclusion", 204), ("subtreeconsistency", 118)],
)
def test_merkle_vectors(kind: str, count: int) -> None:
    vectors = cases(kind)
    assert len(vectors) == count
    disagreements = []
    for case in vectors:
        try:
            run_case(kind, case)
            failed = False
        except LedgerError:
            failed = True
        if failed != case["wantErr"]:
            disagreements.append(case)
    assert disagreements == []


def golden_at(size: int, tmp_path: Path) -> Path:
    """The golden log as it stood at one checkpoint; later tiles stay, as on a server that went on."""
    folder = tmp_path / f"golden-{size}"
    shutil.copytree(DATA / "tessera-golden-log" / "tile", folder / "tile")
    shutil.copy(DATA / "tessera-golden-log" / f"checkpoint.{size}", folder / "checkpoint")
    return folder


@pytest.mark.parametrize("size", range(16))
def test_golden_log_verifies_at_every_checkpoint(size: int, tmp_path: Path) -> None:
    folder = golden_at(size, tmp_path)
    report = verify_log(folder, [GOLDEN_VKEY])
    assert report.problems == ()
    assert (report.ok, report.size) == (True, size)
    checkpoint = open_checkpoint((folder / "checkpoint").read_bytes(), [parse_vkey(GOLDEN_VKEY)])
    assert checkpoint.root.hex() == report.root
    for index, entry in enumerate(read_entries(folder, size)):
        assert verify_proof(write_proof(folder, index), entry, [parse_vkey(GOLDEN_VKEY)]).index == index


def test_golden_checkpoints_extend_one_another(tmp_path: Path) -> None:
    verifier = parse_vkey(GOLDEN_VKEY)
    signed = [
        open_checkpoint((DATA / "tessera-golden-log" / f"checkpoint.{n}").read_bytes(), [verifier])
        for n in range(16)
    ]
    folder = golden_at(15, tmp_path)
    for older in signed:
        assert verify_log(folder, [GOLDEN_VKEY], (older.size, older.root)).ok
        if older.size:
            proof = consistency_proof(older.size, 15, folder_nodes(folder, 15))
            verify_consistency(older.size, 15, proof, older.root, signed[15].root)
    assert not verify_log(folder, [GOLDEN_VKEY], (7, signed[8].root)).ok


def test_golden_log_with_one_byte_changed_fails(tmp_path: Path) -> None:
    folder = golden_at(15, tmp_path)
    path = folder / "tile/entries/000.p/15"
    data = bytearray(path.read_bytes())
    data[30] ^= 1
    path.write_bytes(data)
    report = verify_log(folder, [GOLDEN_VKEY])
    assert not report.ok
    assert [problem.where for problem in report.problems] == ["tile/entries/000.p/15 entry 5 byte 29"]
