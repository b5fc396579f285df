"""What a check of a pack finds."""

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Severity"]


class Severity(StrEnum):
    """How bad a finding is: errors make results worthless, warnings doubtful, notes say what to expect."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found; `item` is an item's id, or empty for the pack as a whole."""

    severity: Severity
    item: str
    text: str
