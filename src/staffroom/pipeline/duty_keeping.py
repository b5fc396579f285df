"""What `serve` does for the duty record beside answering: seals rows at an interval, takes out old ones once a day.

Nothing here stops an answer: what fails is told, and tried again the next time.
"""

import asyncio
from collections.abc import Callable
from datetime import date
from typing import Any

from staffroom.ledger import LedgerError
from staffroom.pipeline.duty_audit import prune_old, seal_rows
from staffroom.records.errors import StaffroomError
from staffroom.store import Home, utc_now

__all__ = ["keep_duty", "settle_duty"]


async def keep_duty(home: Home, seal_seconds: float, on_trouble: Callable[[str], None]) -> None:
    """Seal and prune until cancelled, at once and then every `seal_seconds`."""
    pruned: date | None = None
    while True:
        if pruned != (today := utc_now().date()):
            # It seals first, for what is sealed can be taken out.
            if await _try(prune_old, home, on_trouble):
                pruned = today
        else:
            await _try(seal_rows, home, on_trouble)
        await asyncio.sleep(seal_seconds)


async def settle_duty(home: Home, on_trouble: Callable[[str], None]) -> None:
    """Seal what is left at the end."""
    await _try(seal_rows, home, on_trouble)


async def _try(work: Callable[[Home], Any], home: Home, on_trouble: Callable[[str], None]) -> bool:
    try:
        # In a thread: it reads files, and waits for the disk and for the log's lock. Shielded: a batch that is being logged is
        # finished also where the gateway ends meanwhile.
        await asyncio.shield(asyncio.to_thread(work, home))
    except (StaffroomError, LedgerError, OSError) as error:
        on_trouble(f"the duty record could not be sealed: {error}".split("\n")[0])
        return False
    return True
