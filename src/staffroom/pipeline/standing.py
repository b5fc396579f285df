"""A gateway in its home: where it can be reached, and what it notices when permits are removed by hand.

`gateway.json` names the address of the gateway that runs; the home's lock `serve`, which the kernel keeps, says whether it
does. A permit that is gone without an entry in the log was removed by hand; the gateway stops at once, and records it after
a while, so that a command that is just recording its own stop comes first.
"""

import asyncio
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from staffroom.ledger import LedgerError
from staffroom.pipeline.workers import HomeControl, record_found
from staffroom.records.errors import StaffroomError
from staffroom.serve import DutyState, Permits
from staffroom.store import Home, HomeBusy, write_durably

__all__ = ["address_of_gateway", "forget_address", "record_stops_by_hand", "tell_address"]

_LOOK_SECONDS = 5.0
_SETTLE_SECONDS = 15.0
_AGAIN_SECONDS = 60.0
_NOT_AGAIN_SECONDS = 86_400.0
_ANY = ("http://0.0.0.0:", "http://[::]:")


def tell_address(home: Home, url: str) -> None:
    """Write down where this process serves; from this machine, whatever it listens on."""
    for every in _ANY:
        url = url.replace(every, "http://127.0.0.1:" if every == _ANY[0] else "http://[::1]:")
    value = {"url": url, "pid": os.getpid()}
    write_durably(_place(home), json.dumps(value).encode() + b"\n", mode=0o600)


def forget_address(home: Home) -> None:
    """Remove what `tell_address` wrote; idempotent."""
    _place(home).unlink(missing_ok=True)


def address_of_gateway(home: Home) -> str | None:
    """Return where the gateway of a home answers on this machine, None where none runs.

    Raises StaffroomError where one runs that has not said where.
    """
    try:
        with home.lock("serve"):
            return None
    except HomeBusy:
        pass
    try:
        return str(json.loads(_place(home).read_text(encoding="utf-8"))["url"])
    except (OSError, ValueError, KeyError) as error:
        raise StaffroomError(
            "a gateway runs here, but where it answers is not known (it may be starting)",
            where=str(_place(home)),
            hint="wait until `staffroom serve` says its address, or give it with --url",
        ) from error


async def record_stops_by_hand(
    home: Home,
    permits: Permits,
    on_trouble: Callable[[str], None],
    *,
    settle_seconds: float = _SETTLE_SECONDS,
) -> None:
    """Look for ever for workers whose permits were removed by hand, and record them in the decision log."""
    control = HomeControl(home)
    standing: dict[str, float] = {}

    def look() -> list[str]:
        return [each for each in control.aliases() if permits.state(each) is DutyState.SUSPENDED]

    while True:
        await asyncio.sleep(min(_LOOK_SECONDS, settle_seconds))
        now = time.monotonic()
        try:
            still = await asyncio.to_thread(look)  # the loop must not wait for an index that is locked
            standing = {alias: standing.get(alias, now + settle_seconds) for alias in still}
            due = [alias for alias, when in standing.items() if now >= when]
            if due:
                standing |= dict.fromkeys(due, now + _NOT_AGAIN_SECONDS)
                await asyncio.to_thread(record_found, home)
        except (StaffroomError, LedgerError, OSError) as error:
            standing |= dict.fromkeys(standing, now + _AGAIN_SECONDS)
            on_trouble(f"a stop by hand could not be recorded: {error}")


def _place(home: Home) -> Path:
    return home.path / "gateway.json"
