"""Keys and logs for the ledger's tests."""

from collections.abc import Callable
from pathlib import Path

import pytest
from ledger_world import ORIGIN, QuickDisk, key_of

from staffroom.ledger import Disk, Log, LogKeys
from staffroom.ledger.note import Ed25519Signer, MlDsa44Signer


@pytest.fixture(scope="session")
def keys() -> LogKeys:
    return LogKeys(
        (
            Ed25519Signer(ORIGIN, bytes(range(32))),
            MlDsa44Signer(ORIGIN, bytes(range(32, 64)), lambda: 1_790_000_000),
        )
    )


@pytest.fixture(scope="session")
def open_log(keys: LogKeys) -> Callable[..., Log]:
    """Open the log under a folder: `base/log` and, beside it, `base/keys/last-signed`."""

    def opener(base: Path, disk: Disk | None = None, wait_seconds: float = 0.0) -> Log:
        return Log.open(
            base / "log",
            keys.signers,
            ORIGIN,
            last_signed=base / "keys" / "last-signed",
            key_of=key_of,
            wait_seconds=wait_seconds,
            disk=disk or QuickDisk(),
        )

    return opener
