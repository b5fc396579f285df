"""The one form in which the store writes times: UTC, microseconds, `2026-05-01T08:00:00.000000Z`."""

from datetime import UTC, datetime

__all__ = ["from_text", "to_text", "utc_now"]


def utc_now() -> datetime:
    """Return the time now, in UTC with its zone."""
    return datetime.now(UTC)


def to_text(moment: datetime) -> str:
    """Return a moment as text that sorts in time order; it must carry a zone."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone")
    return f"{moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def from_text(text: str) -> datetime:
    """Return the moment that `to_text` wrote."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
