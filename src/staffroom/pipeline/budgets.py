"""Budgets as commands ask for them: set, list with what was spent, remove; and all the caps that a gateway obeys."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from staffroom.pipeline.releasing import assembly_of
from staffroom.records.budgets import TOKENS, Cap, CapPeriod, CapScope, money_text, to_nano
from staffroom.records.errors import WrongUse
from staffroom.store import (
    ApiKeys,
    Caps,
    Database,
    Home,
    ObjectStore,
    PlainModels,
    Releases,
    SpendBook,
    utc_now,
)

__all__ = ["caps_of", "list_budgets", "remove_budget", "set_budget", "spend_book"]


def set_budget(
    home: Home, scope: str, subject: str, period: str, *, tokens: int | None = None, money: str = ""
) -> dict[str, Any]:
    """Cap what a key, a worker or a sponsor may use in a period: in tokens, or in money (`100 TWD`)."""
    if (tokens is None) == (not money):
        raise WrongUse("a budget is in tokens or in money", hint="--tokens 100000, or --money '100 TWD'")
    if tokens is not None:
        unit, amount = TOKENS, tokens
    else:
        unit, amount = _money(money)
    cap = Cap(CapScope(scope), subject, unit, CapPeriod(period), amount)
    with Database(home.ensure().database) as database:
        _require_known(database, home, cap)
        Caps(database).set(cap)
    return _row(cap, 0)


def list_budgets(home: Home) -> list[dict[str, Any]]:
    """Return every budget with what is debited in its present period (a running gateway may have spent a little less)."""
    if not home.database.exists():
        return []
    now = utc_now()
    with Database(home.database) as database, spend_book(home) as book:
        rows = []
        for cap in caps_of(home, database):
            starts = f"{cap.period.value} {cap.period.bounds(now)[0].date().isoformat()}"
            rows.append(_row(cap, book.debited((cap.scope.value, cap.subject, cap.unit, starts))))
        return rows


def remove_budget(home: Home, scope: str, subject: str) -> int:
    """Remove all budgets of a subject and return how many there were."""
    with Database(home.ensure().database) as database:
        count = Caps(database).remove(CapScope(scope), subject)
    if not count:
        raise WrongUse(f"there is no budget of {scope} `{subject}`", hint="staffroom budget list")
    return count


def caps_of(home: Home, database: Database) -> list[Cap]:
    """Return the caps that were set, and those that job descriptions give their workers."""
    caps = Caps(database).list()
    known = {(cap.scope, cap.subject, cap.unit, cap.period) for cap in caps}
    return [*caps, *(cap for cap in _of_jobs(home, database) if _place(cap) not in known)]


def spend_book(home: Home) -> SpendBook:
    """Return the book of what was spent."""
    return SpendBook(home.private / "spend.db")


def _of_jobs(home: Home, database: Database) -> Iterable[Cap]:
    for alias, release in Releases(database).aliases().items():
        _, job = assembly_of(database, ObjectStore(home.objects), release)
        if job.budget.tokens_per_day is not None:
            yield Cap(CapScope.WORKER, alias, TOKENS, CapPeriod.DAY, job.budget.tokens_per_day)


def _place(cap: Cap) -> tuple[CapScope, str, str, CapPeriod]:
    return (cap.scope, cap.subject, cap.unit, cap.period)


def _money(text: str) -> tuple[str, int]:
    amount, _, currency = text.strip().partition(" ")
    try:
        value = Decimal(amount)
    except ArithmeticError as error:
        raise WrongUse(f"`{text}` is not money", hint="an amount and a currency: '100 TWD'") from error
    if len(currency) != 3 or not currency.isascii() or not currency.isupper():
        raise WrongUse(f"`{currency}` is not a currency", hint="three capital letters: '100 TWD'")
    return currency, to_nano(value)


def _require_known(database: Database, home: Home, cap: Cap) -> None:
    """A budget of something that is not there would never be reached, and nobody would notice."""
    if cap.scope is CapScope.KEY:
        known = [key.id for key in ApiKeys(database).list()]
        hint = "staffroom key list"
    elif cap.scope is CapScope.WORKER:
        known = [*Releases(database).aliases(), *(each.model.alias for each in PlainModels(database).list())]
        hint = "staffroom workers, staffroom route list"
    else:
        jobs = [
            assembly_of(database, ObjectStore(home.objects), digest)[1]
            for digest in Releases(database).aliases().values()
        ]
        known = [*(job.sponsor for job in jobs), *(each.sponsor for each in PlainModels(database).list())]
        hint = "the sponsor's name exactly as in the job description"
    if cap.subject not in known:
        raise WrongUse(f"there is no {cap.scope.value} `{cap.subject}` here", hint=hint)


def _row(cap: Cap, debited: int) -> dict[str, Any]:
    def shown(amount: int) -> int | str:
        return amount if cap.unit == TOKENS else money_text(amount)

    return {
        "scope": cap.scope.value,
        "subject": cap.subject,
        "unit": cap.unit,
        "period": cap.period.value,
        "cap": shown(cap.amount),
        "spent": shown(debited),
    }
