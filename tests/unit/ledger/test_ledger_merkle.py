"""Proofs hold for every tree, and nothing else passes for one."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.ledger import (
    ProofError,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    nodes_of,
    root_of,
    subtree_consistency_proof,
    subtree_inclusion_proof,
    verify_consistency,
    verify_inclusion,
    verify_subtree_consistency,
    verify_subtree_inclusion,
)

LEAVES = [leaf_hash(str(i).encode()) for i in range(301)]
BOUNDARIES = (255, 256, 257, 511, 512, 513)


def by_definition(leaves: list[bytes]) -> bytes:
    """The tree hash as RFC 6962 section 2.1 defines it."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    k = 1
    while k * 2 < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + by_definition(leaves[:k]) + by_definition(leaves[k:])).digest()


def test_roots_are_those_of_the_definition() -> None:
    assert all(root_of(LEAVES[:n]) == by_definition(LEAVES[:n]) for n in range(301))


def test_every_proof_of_every_small_tree() -> None:
    for size in range(1, 34):
        node_of = nodes_of(LEAVES[:size])
        root = root_of(LEAVES[:size])
        for index in range(size):
            verify_inclusion(index, size, LEAVES[index], inclusion_proof(index, size, node_of), root)
        for older in range(1, size + 1):
            proof = consistency_proof(older, size, node_of)
            verify_consistency(older, size, proof, root_of(LEAVES[:older]), root)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_subtrees_of_larger_trees(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 300))
    count = data.draw(st.integers(1, size))
    step = 1 << (count - 1).bit_length()
    start = step * data.draw(st.integers(0, (size - count) // step))
    end = start + count
    index = data.draw(st.integers(start, end - 1))
    node_of, root = nodes_of(LEAVES[:size]), root_of(LEAVES[:size])
    part = root_of(LEAVES[start:end])
    verify_subtree_inclusion(
        index, start, end, LEAVES[index], subtree_inclusion_proof(index, start, end, node_of), part
    )
    verify_subtree_consistency(
        start, end, size, subtree_consistency_proof(start, end, size, node_of), part, root
    )


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_altered_proof_passes(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 300))
    index = data.draw(st.integers(0, size - 1))
    older = data.draw(st.integers(1, size - 1))
    node_of, root = nodes_of(LEAVES[:size]), root_of(LEAVES[:size])
    included = inclusion_proof(index, size, node_of)
    consistent = consistency_proof(older, size, node_of)
    for proof in (included, consistent):
        place = data.draw(st.integers(0, len(proof) - 1))
        flipped = bytes([proof[place][0] ^ 1 << data.draw(st.integers(0, 7))]) + proof[place][1:]
        for altered in (
            [*proof[:place], flipped, *proof[place + 1 :]],
            proof[:place] + proof[place + 1 :],
            [*proof, LEAVES[0]],
            [LEAVES[0], *proof],
        ):
            with pytest.raises(ProofError):
                if proof is included:
                    verify_inclusion(index, size, LEAVES[index], altered, root)
                else:
                    verify_consistency(older, size, altered, root_of(LEAVES[:older]), root)
    with pytest.raises(ProofError):
        verify_inclusion((index + 1) % size, size, LEAVES[index], included, root)


@pytest.mark.parametrize("size", BOUNDARIES)
def test_tile_boundaries(size: int) -> None:
    leaves = [leaf_hash(i.to_bytes(4, "big")) for i in range(size)]
    node_of, root = nodes_of(leaves), root_of(leaves)
    for index in (0, 254, size - 1):
        verify_inclusion(index, size, leaves[index], inclusion_proof(index, size, node_of), root)
    for older in (1, 254, 255, size - 1):
        proof = consistency_proof(older, size, node_of)
        verify_consistency(older, size, proof, root_of(leaves[:older]), root)


@pytest.mark.parametrize(
    ("start", "end", "size"), [(1, 3, 4), (2, 1, 4), (0, 5, 4), (-2, 2, 4), (0, 0, 4), (0, 2**64, 2**64)]
)
def test_what_is_no_subtree_is_refused(start: int, end: int, size: int) -> None:
    with pytest.raises(ProofError):
        subtree_consistency_proof(start, end, size, nodes_of(LEAVES))
    with pytest.raises(ProofError):
        verify_subtree_consistency(start, end, size, [], LEAVES[0], LEAVES[0])
