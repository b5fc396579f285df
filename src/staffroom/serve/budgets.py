"""Budgets: reserved before a request, settled after it, and never over the cap, whatever crashes.

What is kept on disk for a budget is one number, `debited`: an upper bound of what was ever allowed. A request may go on
only while `spent + reserved <= debited <= cap`. So:

1. A request reserves the most it can use, of all budgets that it falls under or of none.
2. Where `debited` does not cover that, it is first raised on disk: by what is wanted and half a lease more.
3. It is settled with what it used; where that is not known, with all that was reserved.
4. Where so much came back that more than a lease lies idle, `debited` is lowered again: in memory first, then on disk.
5. An orderly end writes down what was spent. After a crash the gateway believes `debited`: what was reserved counts as
   used, and about one lease beyond it is lost to the one who holds the budget.

A request is refused only where `spent + reserved + wanted` is over the cap: never for what is merely leased, nor
because the disk is being written. One process holds the budgets of a home (the lock `serve`); it belongs to one
event loop. It does not protect against an engine that counts more tokens than it was allowed to read and write: such
an overrun is counted in full and closes the budget the earlier.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from staffroom.records.budgets import TOKENS, Cap, CapScope, TokenPrice
from staffroom.records.errors import StaffroomError

__all__ = ["BudgetCurrency", "BudgetExceeded", "Budgets", "Debits", "Reservation", "Undebited"]

_LEASE_SHARE = 64
_LEASE_SHARE_MOST = 8
_LEASE_REQUESTS = 32

_Run = Callable[..., Awaitable[Any]]


class Debits(Protocol):
    """Where debits are kept; `set` returns once they are on the disk. Both may be called from a thread."""

    def debited(self, key: tuple[str, str, str, str]) -> int:
        """Return what is debited."""
        ...

    def set(self, key: tuple[str, str, str, str], debited: int) -> None:
        """Keep a debit."""
        ...


class Undebited:
    """Where no budget is kept: nothing is capped, so nothing is ever debited."""

    def debited(self, key: tuple[str, str, str, str]) -> int:
        """Return 0."""
        return 0

    def set(self, key: tuple[str, str, str, str], debited: int) -> None:
        """Keep nothing."""


class BudgetExceeded(Exception):
    """A budget does not allow the request.

    passing: it would, if what other requests have reserved comes back unused; asking again later may help.
    """

    def __init__(self, cap: Cap, *, passing: bool) -> None:
        super().__init__(f"the budget of this {cap.scope.value} is used up")
        self.cap = cap
        self.passing = passing


class BudgetCurrency(Exception):
    """A budget in one currency cannot count a model that is priced in another."""

    def __init__(self, cap: Cap, price: TokenPrice) -> None:
        super().__init__(f"the budget is in {cap.unit}, the model's price in {price.currency}")


@dataclass(slots=True)
class _Account:
    """One cap in one period."""

    cap: Cap
    limit: int
    starts: str
    ends: float
    spent: int
    debited: int
    reserved: int = 0
    wanted: int = 0
    largest: int = 1
    lease: int = 2
    adjusting: "asyncio.Task[None] | None" = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        return (self.cap.scope.value, self.cap.subject, self.cap.unit, self.starts)

    def size_lease(self, share: int = 0) -> None:
        """Fix what may lie idle: enough for many requests of the largest size, and a small part of the cap."""
        self.largest = max(self.largest, share)
        usual = min(self.limit // _LEASE_SHARE_MOST, self.largest * _LEASE_REQUESTS)
        self.lease = max(2, self.limit // _LEASE_SHARE, usual)

    @property
    def covered(self) -> int:
        return self.debited - self.spent - self.reserved

    def amount(self, tokens: int, price: TokenPrice | None, money: int) -> int:
        if self.cap.unit == TOKENS:
            return tokens
        if price is not None and money and price.currency != self.cap.unit:
            raise BudgetCurrency(self.cap, price)
        return money


class Reservation:
    """What one request may use; of `settle`, `settle_in_full` and `give_back` the first one counts."""

    __slots__ = ("_adjust", "_price", "_settled", "_shares", "money", "tokens")

    def __init__(
        self,
        shares: tuple[tuple[_Account, int], ...],
        price: TokenPrice | None,
        adjust: Callable[[_Account], object],
    ) -> None:
        self._shares = shares
        self._price = price
        self._adjust = adjust
        self._settled = False
        self.tokens = 0
        self.money = 0

    def settle(self, read: int, written: int) -> None:
        """Count what was used and give the rest back."""
        if not self._settled:
            self._settled = True
            self.tokens, self.money = read + written, _money(self._price, read, written)
            for account, share in self._shares:
                self._count(account, share, account.amount(self.tokens, self._price, self.money))

    def settle_in_full(self) -> None:
        """Count all that was reserved: nobody knows what was used."""
        if not self._settled:
            self._settled = True
            for account, share in self._shares:
                self._count(account, share, share)

    def give_back(self) -> None:
        """Count nothing: the request never reached an engine."""
        self.settle(0, 0)

    def _count(self, account: _Account, share: int, used: int) -> None:
        account.reserved -= share
        account.spent += used
        if account.covered > account.lease or account.covered < 0:
            self._adjust(account)


class Budgets:
    """The budgets of one home in memory, over what is debited on disk."""

    def __init__(
        self, debits: Debits, *, clock: Callable[[], float] = time.time, run: _Run = asyncio.to_thread
    ) -> None:
        """clock: seconds since 1970. run: how a call that waits for the disk is made."""
        self._debits = debits
        self._clock = clock
        self._run = run
        self._caps: dict[tuple[CapScope, str], tuple[Cap, ...]] = {}
        self._accounts: dict[Cap, _Account] = {}
        self._old: list[_Account] = []
        self._loading = asyncio.Lock()

    def configure(self, caps: Iterable[Cap]) -> None:
        """Take these caps from now on; what was spent and reserved under a cap stays where only its amount changed."""
        found: dict[tuple[CapScope, str], tuple[Cap, ...]] = {}
        kept: dict[Cap, _Account] = {}
        before = {_place(cap): account for cap, account in self._accounts.items()}
        for cap in caps:
            found[cap.scope, cap.subject] = (*found.get((cap.scope, cap.subject), ()), cap)
            account = before.pop(_place(cap), None)
            if account is not None:
                account.cap, account.limit = cap, cap.amount
                account.size_lease()
                kept[cap] = account
        self._caps, self._accounts = found, kept
        self._old += before.values()

    def cover(self, subjects: Iterable[tuple[CapScope, str]]) -> tuple[Cap, ...]:
        """Return the caps that apply to these subjects."""
        if not self._caps:
            return ()
        return tuple(cap for subject in subjects for cap in self._caps.get(subject, ()))

    async def reserve(
        self, caps: tuple[Cap, ...], read: int, written: int, price: TokenPrice | None = None
    ) -> Reservation:
        """Reserve at most `read` and `written` tokens under each of `caps`, or under none.

        Raises BudgetExceeded; StaffroomError where a lease cannot be written down.
        """
        if not caps:
            return Reservation((), price, self._adjust)
        tokens, money = read + written, _money(price, read, written)
        while True:
            accounts = [self._current(cap) or await self._load(cap) for cap in caps]
            shares = [(account, account.amount(tokens, price, money)) for account in accounts]
            for account, share in shares:
                if share > account.limit - account.spent - account.reserved:
                    raise BudgetExceeded(account.cap, passing=share <= account.limit - account.spent)
            short = next(((account, share) for account, share in shares if share > account.covered), None)
            if short is None:
                break
            await self._cover(*short)
        for account, share in shares:
            account.reserved += share
            if share > account.largest:
                account.size_lease(share)
            if account.covered < account.lease // 4 and account.debited < account.limit:
                self._adjust(account)
        return Reservation(tuple(shares), price, self._adjust)

    def report(self) -> list[dict[str, object]]:
        """Return what each budget of now allows, has spent and has reserved."""
        return [
            {
                "scope": cap.scope.value,
                "subject": cap.subject,
                "unit": cap.unit,
                "period": cap.period.value,
                "starts": account.starts,
                "cap": account.limit,
                "spent": account.spent,
                "reserved": account.reserved,
            }
            for cap, account in self._accounts.items()
        ]

    async def close(self) -> None:
        """Write down what was spent, so that no lease is lost; what is still reserved counts as spent."""
        for account in (*self._old, *self._accounts.values()):
            if account.adjusting is not None:
                await asyncio.gather(account.adjusting, return_exceptions=True)
            due = account.spent + account.reserved
            if due != account.debited:
                account.debited = due
                await self._run(self._debits.set, account.key, due)

    def _current(self, cap: Cap) -> _Account | None:
        account = self._accounts.get(cap)
        return account if account is not None and self._clock() < account.ends else None

    async def _load(self, cap: Cap) -> _Account:
        async with self._loading:
            if (account := self._current(cap)) is not None:
                return account
            first, after = cap.period.bounds(datetime.fromtimestamp(self._clock(), UTC))
            starts = f"{cap.period.value} {first.date().isoformat()}"
            made = _Account(cap, cap.amount, starts, after.timestamp(), 0, 0)
            made.size_lease()
            # One that was taken away and given again goes on where it was: two must not keep one number.
            same = [each for each in (*self._accounts.values(), *self._old) if each.key == made.key]
            if same and same[0] not in self._old:
                return same[0]  # the cap was changed while this request was on its way
            if same:
                self._old.remove(same[0])
                made = same[0]
                made.cap, made.limit = cap, cap.amount
                made.size_lease()
            else:
                made.spent = made.debited = await self._run(self._debits.debited, made.key)
            if (before := self._accounts.get(cap)) is not None:
                self._old.append(before)
            self._accounts[cap] = made
            return made

    async def _cover(self, account: _Account, amount: int) -> None:
        account.wanted += amount
        try:
            # Shared by all who wait, and not ended by one of them who leaves.
            await asyncio.shield(self._adjust(account))
        finally:
            account.wanted -= amount

    def _adjust(self, account: _Account) -> "asyncio.Task[None]":
        if account.adjusting is None or account.adjusting.done():
            account.adjusting = asyncio.create_task(self._write(account))
            account.adjusting.add_done_callback(_seen)
        return account.adjusting

    async def _write(self, account: _Account) -> None:
        await asyncio.sleep(0)  # others of this moment join in: one write for all of them
        while True:
            used = account.spent + account.reserved
            target = max(used, min(account.limit, used + account.wanted + account.lease // 2))
            if target > account.debited:
                await self._run(self._debits.set, account.key, target)
                account.debited = target
            elif account.covered > account.lease + account.wanted:
                account.debited = target
                await self._run(self._debits.set, account.key, target)
            else:
                return


def _seen(task: "asyncio.Task[None]") -> None:
    # One that nobody waits for may fail: whoever needs the lease tries again and is told.
    if not task.cancelled() and isinstance(task.exception(), StaffroomError):
        return


def _money(price: TokenPrice | None, read: int, written: int) -> int:
    return 0 if price is None else read * price.read + written * price.written


def _place(cap: Cap) -> tuple[object, ...]:
    return (cap.scope, cap.subject, cap.unit, cap.period)
