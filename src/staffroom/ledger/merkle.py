"""Merkle trees: hashes, roots, and proofs of inclusion, consistency and subtrees, built and verified.

Source: RFC 6962 section 2.1 (SHA-256); subtrees as in draft-ietf-plants-merkle-tree-certs, section 4.
It knows nothing of files: a tree is given by `NodeOf`, the hash of each complete subtree.

A tree of size n covers leaves 0 to n-1. A subtree [start, end) is valid if start is a multiple of the smallest power of
two that is at least end - start. Inclusion and consistency are the two special cases of the subtree proofs that
begin at 0, so there is one algorithm for each.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias

from staffroom.ledger.errors import ProofError

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "NodeOf",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "nodes_of",
    "range_hash",
    "root_from_inclusion",
    "root_of",
    "subtree_consistency_proof",
    "subtree_inclusion_proof",
    "verify_consistency",
    "verify_inclusion",
    "verify_subtree_consistency",
    "verify_subtree_inclusion",
]

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

NodeOf: TypeAlias = Callable[[int, int], bytes]
"""`node_of(height, i)` is the hash of the complete subtree over leaves [i * 2**height, (i + 1) * 2**height)."""

_MAX_SIZE = 2**63


def leaf_hash(entry: bytes) -> bytes:
    """Hash one entry as a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two children as their parent."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes: Sequence[bytes]) -> bytes:
    """Hash a list of nodes of one height into one; the last may stand for an incomplete subtree.

    Pairing neighbours and carrying an odd last one up gives the tree of RFC 6962, which splits at powers of two.
    """
    if not hashes:
        return EMPTY_ROOT
    row = list(hashes)
    while len(row) > 1:
        paired = [node_hash(row[i], row[i + 1]) for i in range(0, len(row) - 1, 2)]
        row = paired if len(row) % 2 == 0 else [*paired, row[-1]]
    return row[0]


def nodes_of(leaves: Sequence[bytes]) -> NodeOf:
    """Give the nodes of a tree whose leaf hashes are in memory."""

    def node_of(height: int, index: int) -> bytes:
        return root_of(leaves[index << height : (index + 1) << height])

    return node_of


def range_hash(start: int, end: int, node_of: NodeOf) -> bytes:
    """Hash the leaves [start, end) of a valid subtree, which may be incomplete on its right."""
    count = end - start
    if count <= 0:
        return EMPTY_ROOT
    if count & (count - 1) == 0:
        height = count.bit_length() - 1
        return node_of(height, start >> height)
    middle = start + _split(count)
    return node_hash(range_hash(start, middle, node_of), range_hash(middle, end, node_of))


def inclusion_proof(index: int, size: int, node_of: NodeOf) -> list[bytes]:
    """Prove that leaf `index` is in the tree of `size` leaves; hashes run from the leaf's sibling upwards."""
    return subtree_inclusion_proof(index, 0, size, node_of)


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check an inclusion proof for a leaf hash; raises ProofError."""
    verify_subtree_inclusion(index, 0, size, leaf, proof, root)


def consistency_proof(size1: int, size2: int, node_of: NodeOf) -> list[bytes]:
    """Prove that the tree of `size2` leaves extends the one of `size1`, which must not be empty."""
    return subtree_consistency_proof(0, size1, size2, node_of)


def verify_consistency(size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> None:
    """Check a consistency proof between two roots; raises ProofError, also for size 0, of which nothing can be proven."""
    if size1 == 0:
        raise ProofError("every tree extends the empty one, so there is nothing to prove")
    verify_subtree_consistency(0, size1, size2, proof, root1, root2)


def subtree_inclusion_proof(index: int, start: int, end: int, node_of: NodeOf) -> list[bytes]:
    """Prove that leaf `index` (counted from the tree's first leaf) is in the subtree [start, end)."""
    _check_subtree(start, end)
    if not start <= index < end:
        raise ProofError(f"leaf {index} is not in [{start}, {end})")
    proof: list[bytes] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            proof.append(range_hash(middle, end, node_of))
            end = middle
        else:
            proof.append(range_hash(start, middle, node_of))
            start = middle
    return proof[::-1]


def root_from_inclusion(index: int, start: int, end: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """Compute the root of [start, end) that an inclusion proof leads to; raises ProofError."""
    _check_subtree(start, end)
    if not start <= index < end:
        raise ProofError(f"leaf {index} is not in [{start}, {end})")
    _check_hashes(leaf, *proof)
    goes_right: list[bool] = []
    while end - start > 1:
        middle = start + _split(end - start)
        goes_right.append(index >= middle)
        start, end = (middle, end) if index >= middle else (start, middle)
    if len(proof) != len(goes_right):
        raise ProofError(f"{len(proof)} hashes where the proof needs {len(goes_right)}")
    node = leaf
    for sibling, right in zip(proof, reversed(goes_right), strict=True):
        node = node_hash(sibling, node) if right else node_hash(node, sibling)
    return node


def verify_subtree_inclusion(
    index: int, start: int, end: int, leaf: bytes, proof: Sequence[bytes], root: bytes
) -> None:
    """Check that a leaf hash is in the subtree [start, end) with that root; raises ProofError."""
    if root_from_inclusion(index, start, end, leaf, proof) != root:
        raise ProofError("the proof leads to another root")


def subtree_consistency_proof(start: int, end: int, size: int, node_of: NodeOf) -> list[bytes]:
    """Prove that the subtree [start, end) is part of the tree of `size` leaves."""
    _check_subtree(start, end, size)
    proof: list[bytes] = []
    low, high, own = 0, size, True
    while (low, high) != (start, end):
        middle = low + _split(high - low)
        if end <= middle:
            proof.append(range_hash(middle, high, node_of))
            high = middle
        else:
            proof.append(range_hash(low, middle, node_of))
            own = own and start >= middle
            start, low = max(start, middle), middle
    if not own:
        proof.append(range_hash(low, high, node_of))
    return proof[::-1]


def verify_subtree_consistency(
    start: int, end: int, size: int, proof: Sequence[bytes], subtree_root: bytes, root: bytes
) -> None:
    """Check that the subtree [start, end) with that root is part of the tree of `size` leaves; raises ProofError.

    The empty subtree is part of every tree, with an empty proof.
    """
    if 0 <= start == end <= size and subtree_root == EMPTY_ROOT and not proof:
        return
    _check_subtree(start, end, size)
    _check_hashes(*proof)
    hashes = iter(proof)
    old, new = _fold_consistency(start, end, size, True, subtree_root, hashes)
    if next(hashes, None) is not None:
        raise ProofError("the proof has more hashes than it needs")
    if old != subtree_root:
        raise ProofError("the proof leads to another root of the smaller tree")
    if new != root:
        raise ProofError("the proof leads to another root of the larger tree")


def _fold_consistency(
    start: int, end: int, size: int, whole: bool, subtree_root: bytes, hashes: Iterator[bytes]
) -> tuple[bytes, bytes]:
    """Walk down to the subtree and back up, taking hashes from the deepest; not `whole` once the subtree was cut."""
    if start == 0 and end == size:
        node = subtree_root if whole else _take(hashes)
        return node, node
    middle = _split(size)
    if end <= middle:
        old, new = _fold_consistency(start, end, middle, whole, subtree_root, hashes)
        return old, node_hash(new, _take(hashes))
    if start >= middle:
        old, new = _fold_consistency(start - middle, end - middle, size - middle, whole, subtree_root, hashes)
        return old, node_hash(_take(hashes), new)
    old, new = _fold_consistency(0, end - middle, size - middle, False, subtree_root, hashes)
    sibling = _take(hashes)
    return node_hash(sibling, old), node_hash(sibling, new)


def _take(hashes: Iterator[bytes]) -> bytes:
    node = next(hashes, None)
    if node is None:
        raise ProofError("the proof has fewer hashes than it needs")
    return node


def _split(count: int) -> int:
    """Largest power of two below `count`, which is at least 2."""
    return 1 << ((count - 1).bit_length() - 1)


def _check_subtree(start: int, end: int, size: int | None = None) -> None:
    if not 0 <= start < end <= (_MAX_SIZE if size is None else min(size, _MAX_SIZE)):
        raise ProofError(f"[{start}, {end}) is not within a tree of {size} leaves")
    if start % (1 << (end - start - 1).bit_length()):
        raise ProofError(f"[{start}, {end}) is not a subtree: its start is not aligned to its length")


def _check_hashes(*hashes: bytes) -> None:
    for node in hashes:
        if len(node) != HASH_SIZE:
            raise ProofError(f"a hash of {len(node)} bytes where {HASH_SIZE} are needed")
