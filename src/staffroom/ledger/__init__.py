"""The transparency log: entries as bytes in a C2SP tlog-tiles folder, signed checkpoints, proofs, and a verifier that runs alone.

It imports nothing of ours: whoever logs makes the bytes. See `design/ledger.md`.
"""

from staffroom.ledger.commitments import commit, new_salt, opens
from staffroom.ledger.disk import Disk
from staffroom.ledger.entry import read_entry
from staffroom.ledger.errors import (
    EntryError,
    KeyFileError,
    LedgerError,
    LogBroken,
    LogBusy,
    LogDamaged,
    LogRefused,
    NoteError,
    ProofError,
)
from staffroom.ledger.keys import LogKeys, generate_keys, load_keys
from staffroom.ledger.last_signed import Restored, read_last_signed, read_restored
from staffroom.ledger.log import KeyOf, Log, read_checkpoint, writer_held_off
from staffroom.ledger.merkle import (
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
from staffroom.ledger.note import (
    Checkpoint,
    Signer,
    Verifier,
    open_checkpoint,
    parse_vkey,
    sign_checkpoint,
)
from staffroom.ledger.proof import ProvenEntry, verify_proof, write_proof
from staffroom.ledger.restored import (
    KnownTree,
    Reconciliation,
    known_of_checkpoint,
    known_of_record,
    mark_restored,
    reconcile,
)
from staffroom.ledger.tiles import MAX_ENTRY_BYTES, folder_nodes, read_entries
from staffroom.ledger.verify import Problem, VerifyReport, verify_log
from staffroom.ledger.verify_control import ControlFinding, check_control
from staffroom.ledger.verify_decisions import DecisionFinding, check_decisions
from staffroom.ledger.verify_exams import Finding, check_exams
from staffroom.ledger.verify_paired import PairedFinding, check_paired

__all__ = [
    "MAX_ENTRY_BYTES",
    "Checkpoint",
    "ControlFinding",
    "DecisionFinding",
    "Disk",
    "EntryError",
    "Finding",
    "KeyFileError",
    "KeyOf",
    "KnownTree",
    "LedgerError",
    "Log",
    "LogBroken",
    "LogBusy",
    "LogDamaged",
    "LogKeys",
    "LogRefused",
    "NoteError",
    "PairedFinding",
    "Problem",
    "ProofError",
    "ProvenEntry",
    "Reconciliation",
    "Restored",
    "Signer",
    "Verifier",
    "VerifyReport",
    "check_control",
    "check_decisions",
    "check_exams",
    "check_paired",
    "commit",
    "consistency_proof",
    "folder_nodes",
    "generate_keys",
    "inclusion_proof",
    "known_of_checkpoint",
    "known_of_record",
    "leaf_hash",
    "load_keys",
    "mark_restored",
    "new_salt",
    "nodes_of",
    "open_checkpoint",
    "opens",
    "parse_vkey",
    "read_checkpoint",
    "read_entries",
    "read_entry",
    "read_last_signed",
    "read_restored",
    "reconcile",
    "root_of",
    "sign_checkpoint",
    "subtree_consistency_proof",
    "subtree_inclusion_proof",
    "verify_consistency",
    "verify_inclusion",
    "verify_log",
    "verify_proof",
    "verify_subtree_consistency",
    "verify_subtree_inclusion",
    "write_proof",
    "writer_held_off",
]
