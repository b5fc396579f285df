"""Signed notes and checkpoints: known signatures verify, every changed byte is refused."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from staffroom.ledger import Checkpoint, LogKeys, NoteError, open_checkpoint, parse_vkey, sign_checkpoint
from staffroom.ledger.note import (
    Ed25519Verifier,
    MlDsa44Verifier,
    checkpoint_text,
    parse_checkpoint_text,
    parse_note,
)

CHECKPOINT = Checkpoint("log.example/town-hall", 1234, bytes(range(32)))

# The example of Go's golang.org/x/mod/sumdb/note documentation.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def test_a_note_signed_by_go_verifies() -> None:
    verifier, note = parse_vkey(GO_VKEY), parse_note(GO_NOTE)
    (signature,) = note.signatures
    assert (signature.name, signature.key_id) == (verifier.name, verifier.key_id)
    assert verifier.verify(note.text, signature.blob)
    assert not verifier.verify(note.text + "x\n", signature.blob)


def test_a_checkpoint_needs_every_key(keys: LogKeys) -> None:
    both = sign_checkpoint(CHECKPOINT, keys.signers)
    assert open_checkpoint(both, keys.verifiers) == CHECKPOINT
    assert [type(v) for v in keys.verifiers] == [Ed25519Verifier, MlDsa44Verifier]
    for signer in keys.signers:
        with pytest.raises(NoteError, match="no signature by"):
            open_checkpoint(sign_checkpoint(CHECKPOINT, [signer]), keys.verifiers)
    with pytest.raises(NoteError, match="no verifier key"):
        open_checkpoint(both, [])


def test_vkeys_read_back(keys: LogKeys) -> None:
    assert [parse_vkey(vkey) for vkey in keys.vkeys] == list(keys.verifiers)


@pytest.mark.parametrize(
    "vkey", ["", "a", "a+b+c", "a+00000000+AQ==", GO_VKEY.replace("c7", "c8"), "x" + GO_VKEY]
)
def test_malformed_vkeys_are_refused(vkey: str) -> None:
    with pytest.raises(NoteError):
        parse_vkey(vkey)


def test_every_changed_byte_of_a_checkpoint_is_refused(keys: LogKeys) -> None:
    signed = sign_checkpoint(CHECKPOINT, keys.signers).encode()
    for place in range(len(signed)):
        changed = signed[:place] + bytes([signed[place] ^ (0x01, 0x20)[place % 2]]) + signed[place + 1 :]
        with pytest.raises(NoteError):
            open_checkpoint(changed, keys.verifiers)


@settings(max_examples=60)
@given(
    st.builds(
        Checkpoint,
        st.from_regex(r"[a-z0-9./-]{1,40}", fullmatch=True),
        st.integers(0, 2**63 - 1),
        st.binary(min_size=32, max_size=32),
    )
)
def test_checkpoint_text_reads_back(checkpoint: Checkpoint) -> None:
    assert parse_checkpoint_text(checkpoint_text(checkpoint)) == checkpoint


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        "\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "a\n01\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "a\n-1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
        "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAB=\n",
        "a\n1\nAAAA\n",
        "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\nextension\n",
        "a\n9223372036854775808\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
    ],
)
def test_malformed_checkpoints_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        parse_checkpoint_text(text)


@settings(max_examples=150)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
@example("a\n\n— x AAAAAAA=\n".encode())
@example(b"\n\n")
def test_any_bytes_are_a_note_or_refused(data: bytes) -> None:
    try:
        note = parse_note(data)
    except NoteError:
        return
    assert data.decode().startswith(note.text + "\n— ")
