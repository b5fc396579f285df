"""The sponsor's signature: typed at the terminal under what is signed, or the word of whoever runs the command (`--yes`).

It records who signed and how; it does not prove that the person at the keyboard is the sponsor.
"""

import getpass
import select
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from staffroom.cli.progress import ShownProgress
from staffroom.cli.terminal import Terminal
from staffroom.records.errors import WrongUse

if TYPE_CHECKING:
    from staffroom.pipeline.signoff import SignedBy, SignOffRequest

__all__ = ["Signing", "operating_user", "require_signer"]

_ATTEMPTS = 3
_LOOK_SECONDS = 0.2


def operating_user() -> str:
    """Return the name of the operating system's user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown user"


def require_signer(terminal: Terminal, *, yes: bool, job: str, verb: str = "hire") -> None:
    """Refuse before anything starts where nobody could sign at the end."""
    if not yes and not terminal.asks:
        raise WrongUse(
            terminal.t("a release needs its sponsor's signature, and there is no terminal to ask at"),
            hint=f"staffroom {verb} {job} --yes",
        )


@dataclass(frozen=True, slots=True)
class Signing:
    """The `SignOff` of this command; called from a worker thread while the bars pause.

    read: reads one line (None: interrupted or no more input).
    """

    terminal: Terminal
    progress: ShownProgress
    yes: bool
    interrupted: threading.Event
    read: Callable[[threading.Event], str | None] | None = None

    def __call__(self, shown: "SignOffRequest") -> "SignedBy | None":
        """Return who signed, None where nobody did."""
        from staffroom.pipeline.signoff import SignedBy

        t, note = self.terminal.t, self.terminal.note
        with self.progress.paused():
            note("")
            note(t("To be signed off"), "bold")
            for line in shown.lines:
                note(line)
            if self.yes:
                name = operating_user()
                note(t("Signed by {name}, who ran the command with --yes.", name=name))
                return SignedBy(name, "--yes")
            note(t("To sign, type the sponsor exactly as written: {sponsor}", sponsor=shown.sponsor), "bold")
            note(t("An empty line does not sign: nothing is released."))
            for _ in range(_ATTEMPTS):
                self.terminal.err.print("> ", end="")
                typed = (self.read or _read_line)(self.interrupted)
                if typed is None or not typed.strip():
                    return None
                if typed.strip() == shown.sponsor:
                    return SignedBy(shown.sponsor, "terminal")
                note(t("That is not the sponsor's name as written above."))
        return None


def _read_line(interrupted: threading.Event) -> str | None:
    """Read a line of stdin; a thread that blocked in a read could not be stopped by Ctrl-C."""
    while not interrupted.is_set():
        if select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
            return sys.stdin.readline() or None
    return None
