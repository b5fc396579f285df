"""Times as people here read and write them: in the zone of this machine, with the time left."""

from datetime import UTC, datetime

from staffroom.cli.language import Words
from staffroom.records.errors import WrongUse

__all__ = ["local_text", "read_local", "time_left"]

_ENGLISH_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_CHINESE_DAYS = "一二三四五六日"
_ENGLISH_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def local_text(text: str, language: str) -> str:
    """Return a moment of the store (`2026-05-01T08:00:00.000000Z`) as a date and time of this machine's zone."""
    moment = datetime.fromisoformat(text).astimezone()
    if language == "zh-TW":
        day = f"{moment.year} 年 {moment.month} 月 {moment.day} 日（{_CHINESE_DAYS[moment.weekday()]}）"
        return f"{day}{moment:%H:%M}"
    day = f"{_ENGLISH_DAYS[moment.weekday()]} {moment.day} {_ENGLISH_MONTHS[moment.month - 1]} {moment.year}"
    return f"{day}, {moment:%H:%M} ({_zone(moment)})"


def _zone(moment: datetime) -> str:
    shift = f"{moment:%z}"
    return "UTC" if shift in ("", "+0000") else f"UTC{shift[:3]}:{shift[3:]}"


def time_left(t: Words, seconds: int) -> str:
    """Return how long something has still to go, or since when it is over."""
    minutes = abs(seconds) // 60
    days, hours, minutes = minutes // 1440, minutes // 60 % 24, minutes % 60
    if days:
        span = t("{days} d {hours} h", days=days, hours=hours)
    else:
        span = t("{hours} h {minutes} min", hours=hours, minutes=minutes)
    return t("{span} left", span=span) if seconds >= 0 else t("overdue by {span}", span=span)


def read_local(t: Words, text: str, option: str) -> datetime | None:
    """Read `2026-12-01`, `2026-12-01 14:30` or either with an offset; None where nothing was said.

    Without an offset it is a time of this machine's zone. Raises WrongUse for anything else.
    """
    if not text.strip():
        return None
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise WrongUse(
            t("{option}: `{given}` is no time", option=option, given=text[:80]),
            hint=f'{option} "2026-12-01 14:30"',
        ) from error
