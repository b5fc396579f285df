"""The one error of this package: a model file that is refused, and at which byte."""

from staffroom.records.errors import StaffroomError

__all__ = ["BadModelFile"]

_HINT = "fetch the file again or ask its maker; `staffroom models check` re-reads every file of this home"


class BadModelFile(StaffroomError):
    """A file is not a GGUF model that may be loaded; `offset` is the byte at which that was seen.

    `name` is the file's name for the reader; `hint` replaces the usual next step.
    """

    def __init__(self, message: str, *, offset: int, name: str = "", hint: str = _HINT) -> None:
        where = f"{name}, byte {offset}" if name else f"byte {offset}"
        super().__init__(message, where=where, hint=hint)
        self.offset = offset
