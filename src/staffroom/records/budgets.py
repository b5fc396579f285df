"""Caps on what a key, a worker or a sponsor may use, in tokens or in money, by the day, the month, or for ever."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from staffroom.records.errors import WrongUse

__all__ = ["NANO", "TOKENS", "Cap", "CapPeriod", "CapScope", "TokenPrice", "money_text", "to_nano"]

TOKENS = "tokens"
NANO = 1_000_000_000
"""Money is counted in billionths of a currency's unit, so that the price of one token is a whole number."""

_MOST = 2**62


class CapScope(StrEnum):
    """Whose use is capped."""

    KEY = "key"
    WORKER = "worker"
    SPONSOR = "sponsor"


class CapPeriod(StrEnum):
    """How long a cap's use is counted together; days and months are those of UTC."""

    DAY = "day"
    MONTH = "month"
    TOTAL = "total"

    def bounds(self, at: datetime) -> tuple[datetime, datetime]:
        """Return the first moment of the period that `at` lies in, and the first moment after it."""
        if self is CapPeriod.TOTAL:
            return datetime(1970, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)
        first = at.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        if self is CapPeriod.DAY:
            return first, first + timedelta(days=1)
        first = first.replace(day=1)
        return first, (first + timedelta(days=32)).replace(day=1)


@dataclass(frozen=True, slots=True)
class Cap:
    """At most `amount` of `unit` (`tokens`, or a currency in billionths) in each period."""

    scope: CapScope
    subject: str
    unit: str
    period: CapPeriod
    amount: int


@dataclass(frozen=True, slots=True)
class TokenPrice:
    """Price of one token read and one written, in billionths of the currency's unit."""

    currency: str
    read: int
    written: int

    @classmethod
    def per_million(cls, currency: str, read: Decimal, written: Decimal) -> "TokenPrice":
        """Return the price of a token from that of a million, rounded up where it is not a whole number."""
        return cls(currency, _up(read), _up(written))

    def cost(self, read: int, written: int) -> str:
        """Return what so many tokens cost, as a decimal number of the currency's unit."""
        return money_text(read * self.read + written * self.written)


def to_nano(amount: Decimal) -> int:
    """Return money in billionths; raises WrongUse where it is negative, too much, or finer than that."""
    nano = amount * NANO
    if not nano.is_finite() or nano < 0 or nano > _MOST or nano != nano.to_integral_value(ROUND_HALF_EVEN):
        raise WrongUse(f"{amount} cannot be a budget", hint="a positive amount with at most nine decimals")
    return int(nano)


def money_text(nano: int) -> str:
    """Return billionths as a decimal number of units without needless zeros."""
    return f"{(Decimal(nano) / NANO).normalize():f}"


def _up(per_million: Decimal) -> int:
    nano = int((per_million * NANO).to_integral_value(ROUND_CEILING))
    return -(-nano // 1_000_000)
