"""Budgets against a model: sixty-four clients, a disk that is slow or refuses, and crashes at any moment."""

import asyncio
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from staffroom.records.budgets import TOKENS, Cap, CapPeriod, CapScope, TokenPrice, money_text, to_nano
from staffroom.records.errors import StaffroomError, WrongUse
from staffroom.serve.budgets import BudgetCurrency, BudgetExceeded, Budgets, Reservation
from staffroom.store import SpendBook, SpendKey

CLIENTS = 64
SEEDS = int(os.environ.get("BUDGET_SEEDS", "60"))
KEY = Cap(CapScope.KEY, "k", TOKENS, CapPeriod.TOTAL, 6000)
WORKER = Cap(CapScope.WORKER, "clerk", TOKENS, CapPeriod.TOTAL, 9000)
SPONSOR = Cap(CapScope.SPONSOR, "Lin", "TWD", CapPeriod.TOTAL, 40_000)
PRICE = TokenPrice("TWD", 2, 6)


@dataclass
class Disk:
    """Debits as they would be found after a power loss; a write takes a while and may be refused."""

    chance: random.Random
    refuses: float = 0.0
    kept: dict[SpendKey, int] = field(default_factory=dict)
    writes: int = 0

    def debited(self, key: SpendKey) -> int:
        return self.kept.get(key, 0)

    def set(self, key: SpendKey, debited: int) -> None:
        if self.chance.random() < self.refuses:
            raise StaffroomError("the disk is full")
        self.writes += 1
        self.kept[key] = debited

    async def run(self, work: Callable[..., Any], *args: Any) -> Any:
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)
        # Done on the disk now, known to the caller a while later: a crash may lie between.
        result = work(*args)
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)
        return result


@dataclass
class Truth:
    """What was really used and is really outstanding, by somebody who does not crash."""

    used: dict[Cap, int] = field(default_factory=dict)
    reserved: dict[Cap, int] = field(default_factory=dict)
    lost: dict[Cap, int] = field(default_factory=dict)

    def free(self, cap: Cap) -> int:
        return cap.amount - sum(table.get(cap, 0) for table in (self.used, self.reserved, self.lost))

    def add(self, table: dict[Cap, int], shares: dict[Cap, int], sign: int = 1) -> None:
        for cap, share in shares.items():
            table[cap] = table.get(cap, 0) + sign * share


def _shares(read: int, written: int) -> dict[Cap, int]:
    money = read * PRICE.read + written * PRICE.written
    return {KEY: read + written, WORKER: read + written, SPONSOR: money}


async def _client(budgets: Budgets, truth: Truth, chance: random.Random, refusals: list[bool]) -> None:
    for _ in range(chance.randrange(1, 6)):
        read, written = chance.randrange(1, 120), chance.randrange(0, 200)
        asked = _shares(read, written)
        try:
            held = await budgets.reserve((KEY, WORKER, SPONSOR), read, written, PRICE)
        except BudgetExceeded as refused:
            refusals.append(True)
            over = [cap for cap in asked if asked[cap] > truth.free(cap)]
            assert refused.cap in over, "refused though it fits what is used and reserved"
            assert refused.passing == (
                asked[refused.cap] <= truth.free(refused.cap) + truth.reserved.get(refused.cap, 0)
            )
            await asyncio.sleep(0)
            continue
        except StaffroomError:
            continue
        truth.add(truth.reserved, asked)
        for _ in range(chance.randrange(6)):
            await asyncio.sleep(0)
        spent = (chance.randrange(read + 1), chance.randrange(written + 1))
        known = chance.random() < 0.8
        if known:
            held.settle(*spent)
        else:
            held.settle_in_full()
        truth.add(truth.reserved, asked, -1)
        truth.add(truth.used, _shares(*spent) if known else asked)
        for cap in asked:
            assert truth.used[cap] <= cap.amount


async def _life(seed: int) -> tuple[int, int]:
    chance = random.Random(seed)
    disk = Disk(chance, refuses=0.1 if seed % 5 == 0 else 0.0)
    truth, refusals, lives = Truth(), list[bool](), chance.randrange(1, 4)
    for life in range(lives):
        budgets = Budgets(disk, clock=lambda: 1e9, run=disk.run)
        budgets.configure([KEY, WORKER, SPONSOR])
        tasks = [
            asyncio.create_task(_client(budgets, truth, random.Random(f"{seed} {life} {n}"), refusals))
            for n in range(CLIENTS)
        ]
        if life == lives - 1:
            await asyncio.gather(*tasks)
            disk.refuses = 0.0
            await budgets.close()
            break
        for _ in range(chance.randrange(40)):
            await asyncio.sleep(0)
        before = {cap: disk.kept.get(_key(cap), 0) for cap in (KEY, WORKER, SPONSOR)}
        leases = {cap: _lease(budgets, cap) for cap in before}
        outstanding = dict(truth.reserved)
        await _kill(tasks)
        for cap, debited in before.items():
            assert debited <= cap.amount
            # What was in flight counts as used; at most a lease beyond it is lost, and nothing is won.
            gone = debited - truth.used.get(cap, 0) - truth.lost.get(cap, 0)
            assert gone >= outstanding.get(cap, 0) >= 0
            truth.lost[cap] = truth.lost.get(cap, 0) + gone
            assert gone - outstanding.get(cap, 0) <= leases[cap], (seed, cap, gone, outstanding)
        truth.reserved.clear()
    for cap in (KEY, WORKER, SPONSOR):
        kept = disk.kept.get(_key(cap), 0)
        assert kept <= cap.amount
        assert kept == truth.used.get(cap, 0) + truth.lost.get(cap, 0), "an orderly end loses nothing"
    return sum(refusals), disk.writes


def _key(cap: Cap) -> SpendKey:
    return (cap.scope.value, cap.subject, cap.unit, "total 1970-01-01")


def _lease(budgets: Budgets, cap: Cap) -> int:
    account = budgets._accounts.get(cap)
    if account is None:
        return 0
    writing = account.adjusting is not None and not account.adjusting.done()
    # While a debit is being written, what it was written for may have come back already.
    return account.lease + (account.cap.amount if writing else 0)


async def _kill(tasks: list[asyncio.Task[None]]) -> None:
    everything = asyncio.all_tasks() - {asyncio.current_task()}
    for task in everything:
        task.cancel()
    done = await asyncio.gather(*everything, return_exceptions=True)
    failed = [each for each in done if isinstance(each, AssertionError)]
    assert not failed, failed[0]
    assert all(task.done() for task in tasks)


def test_no_seed_spends_over_a_cap_or_refuses_what_fits() -> None:
    refusals = writes = 0
    for seed in range(SEEDS):
        refused, written = asyncio.run(_life(seed))
        refusals, writes = refusals + refused, writes + written
    assert refusals > SEEDS, "the caps were never reached: the test shows nothing"
    assert writes < SEEDS * CLIENTS * 9, "a debit for each request: leases do not work"


def test_after_a_kill_the_real_book_holds_what_was_reserved(tmp_path: Path) -> None:
    async def first() -> None:
        budgets = Budgets(book, clock=lambda: 1e9)
        budgets.configure([KEY])
        settled = await budgets.reserve((KEY,), 100, 50)
        settled.settle(10, 5)
        await budgets.reserve((KEY,), 1000, 1000)

    async def second() -> Reservation:
        budgets = Budgets(book, clock=lambda: 1e9)
        budgets.configure([KEY])
        with pytest.raises(BudgetExceeded) as refused:
            await budgets.reserve((KEY,), 4000, 0)
        assert not refused.value.passing
        held = await budgets.reserve((KEY,), 2000, 500)
        held.settle_in_full()
        await budgets.close()
        return held

    with SpendBook(tmp_path / "spend.db") as book:
        asyncio.run(first())
    with SpendBook(tmp_path / "spend.db") as book:
        assert 2015 <= book.debited(_key(KEY)) <= 2015 + 6000 // 8
        asyncio.run(second())
        assert book.debited(_key(KEY)) >= 4515


def test_a_new_day_is_a_new_budget_and_a_late_settlement_belongs_to_the_old_one(tmp_path: Path) -> None:
    now = [1_000_000.0]
    cap = Cap(CapScope.KEY, "k", TOKENS, CapPeriod.DAY, 100)

    async def days() -> None:
        budgets = Budgets(book, clock=lambda: now[0])
        budgets.configure([cap])
        held = await budgets.reserve((cap,), 60, 40)
        with pytest.raises(BudgetExceeded) as refused:
            await budgets.reserve((cap,), 1, 0)
        assert refused.value.passing
        now[0] += 86_400
        other = await budgets.reserve((cap,), 90, 0)
        held.settle(60, 0)
        other.settle(90, 0)
        await budgets.close()

    with SpendBook(tmp_path / "spend.db") as book:
        asyncio.run(days())
        assert sorted(book.all().values()) == [60, 90]


def test_a_cap_that_is_changed_taken_away_and_given_again_keeps_its_count(tmp_path: Path) -> None:
    async def changes() -> None:
        budgets = Budgets(book, clock=lambda: 1e9)
        budgets.configure([KEY])
        (await budgets.reserve((KEY,), 3000, 0)).settle(3000, 0)
        lower = Cap(KEY.scope, KEY.subject, KEY.unit, KEY.period, 3500)
        budgets.configure([lower])
        with pytest.raises(BudgetExceeded):
            await budgets.reserve(budgets.cover([(CapScope.KEY, "k")]), 600, 0)
        budgets.configure([])
        assert budgets.cover([(CapScope.KEY, "k")]) == ()
        budgets.configure([KEY])
        with pytest.raises(BudgetExceeded):
            await budgets.reserve((KEY,), 3001, 0)
        (await budgets.reserve((KEY,), 3000, 0)).settle(1000, 0)
        await budgets.close()

    with SpendBook(tmp_path / "spend.db") as book:
        asyncio.run(changes())
        assert list(book.all().values()) == [4000]


def test_a_disk_that_refuses_refuses_requests_and_lets_nothing_through(tmp_path: Path) -> None:
    async def full() -> None:
        disk = Disk(random.Random(1), refuses=1.0)
        budgets = Budgets(disk, clock=lambda: 1e9, run=disk.run)
        budgets.configure([KEY])
        with pytest.raises(StaffroomError, match="full"):
            await budgets.reserve((KEY,), 10, 10)
        disk.refuses = 0.0
        held = await budgets.reserve((KEY,), 10, 10)
        disk.refuses = 1.0
        held.settle(10, 10)
        (await budgets.reserve((KEY,), 10, 10)).settle(1, 1)  # what is leased already may be used

    asyncio.run(full())


def test_one_who_leaves_while_the_lease_is_written_takes_nothing(tmp_path: Path) -> None:
    async def leaves() -> None:
        disk = Disk(random.Random(3))
        budgets = Budgets(disk, clock=lambda: 1e9, run=disk.run)
        budgets.configure([KEY])
        waiting = asyncio.create_task(budgets.reserve((KEY,), 5000, 0))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        (await budgets.reserve((KEY,), 6000, 0)).give_back()
        (row,) = budgets.report()
        assert (row["spent"], row["reserved"]) == (0, 0)

    asyncio.run(leaves())


def test_money_in_another_currency_is_refused_and_a_free_model_is_not() -> None:
    async def prices() -> None:
        disk = Disk(random.Random(1))
        budgets = Budgets(disk, clock=lambda: 1e9, run=disk.run)
        budgets.configure([SPONSOR])
        with pytest.raises(BudgetCurrency, match="TWD"):
            await budgets.reserve((SPONSOR,), 10, 10, TokenPrice("USD", 1, 1))
        (await budgets.reserve((SPONSOR,), 10, 10, TokenPrice("USD", 0, 0))).settle(10, 10)
        (await budgets.reserve((SPONSOR,), 10, 10, None)).settle(10, 10)
        assert budgets.report()[0]["spent"] == 0

    asyncio.run(prices())


@given(st.decimals(0, 1_000_000, places=9), st.integers(0, 10**9))
def test_a_price_is_never_rounded_down(per_million: Decimal, tokens: int) -> None:
    price = TokenPrice.per_million("TWD", per_million, per_million)
    exact = per_million * tokens / 1_000_000
    assert exact * 10**9 <= price.read * tokens <= exact * 10**9 + tokens


def test_money_is_read_and_shown_exactly() -> None:
    assert to_nano(Decimal("12.345")) == 12_345_000_000
    assert money_text(12_345_000_000) == "12.345"
    assert money_text(100 * 10**9) == "100"
    for wrong in ("-1", "0.0000000001", "NaN", "1e30"):
        with pytest.raises(WrongUse):
            to_nano(Decimal(wrong))
