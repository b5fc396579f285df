"""What of a worker's answer goes into its duty record, and what its budgets are charged."""

from staffroom.serve.budgets import Reservation
from staffroom.serve.duty import Counted, DutyIntent, DutyRecord
from staffroom.serve.exchange import Exchange

__all__ = ["exchange_record", "settle"]


def settle(held: Reservation | None, exchange: Exchange) -> Counted:
    """Charge what an answer used, and say by whose count: all that was reserved where nobody knows."""
    made = exchange.answer
    if made is not None:
        if held is not None:
            held.settle(made.tokens_in, made.tokens_out)
        return Counted.ENGINE
    if exchange.meter.known:
        if held is not None:
            held.settle(exchange.meter.read, exchange.meter.written)
        return Counted.ENGINE
    if exchange.begun:
        if held is not None:
            held.settle_in_full()
        return Counted.RESERVED
    if held is not None:
        held.give_back()
    return Counted.NOTHING


def exchange_record(
    exchange: Exchange,
    intent: DutyIntent,
    *,
    outcome: str,
    counted: Counted,
    first_text_seconds: float | None,
    seconds: float,
    answer: str,
) -> DutyRecord:
    """Return the record of an exchange that is over."""
    served, made = exchange.served, exchange.answer
    meter = exchange.meter
    read, written = (made.tokens_in, made.tokens_out) if made else (meter.read, meter.written)
    if counted is not Counted.ENGINE:
        read = written = 0
    charged = (served.read_most, served.written_most) if counted is Counted.RESERVED else (read, written)
    price = served.price
    return DutyRecord(
        audit_id=intent.audit_id,
        at=intent.at,
        alias=intent.alias,
        release=intent.release,
        key=intent.key,
        user=intent.user,
        outcome=outcome,
        chunks=made.retrieved if made else (),
        tokens_in=read,
        tokens_out=written,
        counted=counted,
        cost=price.cost(*charged) if price else "",
        currency=price.currency if price else "",
        first_text_seconds=first_text_seconds,
        seconds=seconds,
        question=intent.question,
        answer=answer,
        problem=exchange.problem,
        rulings=made.rulings if made else (),
    )
