"""Errors that a user can act on: what is wrong, where, and which command to run next."""

__all__ = ["StaffroomError", "WrongUse"]


class StaffroomError(Exception):
    """Something failed; the text says what, `where` says where, `hint` says what to do next.

    `exit_code` is the status with which the command line ends (3 failed, 2 wrong use).
    """

    exit_code = 3

    def __init__(self, message: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.message}" if self.where else self.message
        return f"{text}\nhint: {self.hint}" if self.hint else text


class WrongUse(StaffroomError):
    """The user's input is at fault (a file, a field, an option); nothing was started."""

    exit_code = 2
