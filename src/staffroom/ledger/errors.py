"""Errors of the ledger: what is wrong, where, and what to do next.

The ledger imports nothing of ours, so it has its own base; `message`, `where` and `hint` mean what they mean elsewhere.
"""

__all__ = [
    "EntryError",
    "KeyFileError",
    "LedgerError",
    "LogBroken",
    "LogBusy",
    "LogDamaged",
    "LogRefused",
    "NoteError",
    "ProofError",
]


class LedgerError(Exception):
    """Something about the log failed; `where` names the file or line, `hint` the next thing to do."""

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\nhint: {self.hint}" if self.hint else text


class EntryError(LedgerError):
    """An entry is too long, has the wrong key, or is not the JSON object that it should be."""


class KeyFileError(LedgerError):
    """A key file is missing, open to others, or not what it should be."""


class LogBroken(LedgerError):
    """The disk failed during an append; what was acknowledged stands, and the log must be opened again."""


class LogBusy(LedgerError):
    """Another process holds the log; `pid` is its process id, 0 where unknown."""

    def __init__(self, message: str, *, pid: int, where: str = "", hint: str = "") -> None:
        super().__init__(message, where=where, hint=hint)
        self.pid = pid


class LogDamaged(LedgerError):
    """Files of the log are missing or differ from what was signed."""


class LogRefused(LedgerError):
    """Signing could fork the log (an older copy was restored, or that cannot be ruled out), so nothing is signed."""


class NoteError(LedgerError):
    """A signed note or checkpoint is malformed, or a signature that it must carry is missing or wrong."""


class ProofError(LedgerError):
    """A proof is malformed or does not prove what it should."""
