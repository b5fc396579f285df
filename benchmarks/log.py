"""Times the transparency log on this machine's disk: one entry at a time, and in batches.

Entries are JSON of about 600 bytes with an idempotency key that is read back from them, as the runner writes them. An append counts
once it is durable and its checkpoint is signed with both keys and published. The verifier's time over all of it is reported too.
"""

import json
import os
import platform
import statistics
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

from staffroom.ledger import Log, generate_keys, read_entry, verify_log

SINGLE_APPENDS = 600
BATCHES = 40
BATCH_SIZE = 1000
ORIGIN = "log.example/benchmark"


def entry(number: int) -> bytes:
    """One entry as the runner would write it."""
    value = {
        "digest": f"sha256:{number:064x}",
        "key": f"run-7/step-{number}",
        "kind": "evaluation",
        "note": "x" * 480,
    }
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def key_of(data: bytes) -> str | None:
    """The idempotency key that an entry holds."""
    return str(read_entry(data)["key"])


def measure(base: Path) -> tuple[float, float, float]:
    """Give the median time of a single append in ms, batched entries per second, and the verifier's seconds."""
    keys = generate_keys(base / "keys", ORIGIN)
    with Log.open(
        base / "log", keys.signers, ORIGIN, last_signed=base / "keys/last-signed", key_of=key_of
    ) as log:
        times = []
        for number in range(SINGLE_APPENDS):
            started = time.perf_counter()
            log.append([entry(number)])
            times.append(time.perf_counter() - started)
        batches = [
            [entry(SINGLE_APPENDS + BATCH_SIZE * b + i) for i in range(BATCH_SIZE)] for b in range(BATCHES)
        ]
        started = time.perf_counter()
        for batch in batches:
            log.append(batch)
        rate = BATCHES * BATCH_SIZE / (time.perf_counter() - started)
    started = time.perf_counter()
    report = verify_log(base / "log", keys.vkeys)
    if not report.ok or report.size != SINGLE_APPENDS + BATCHES * BATCH_SIZE:
        raise SystemExit(f"the log that was written does not verify: {report.problems[:3]}")
    return statistics.median(times) * 1000, rate, time.perf_counter() - started


def main() -> int:
    """Run and print the measures; gives 0 where all goals are held."""
    with tempfile.TemporaryDirectory(prefix="staffroom-log-", dir=os.environ.get("BENCHMARK_DIR")) as folder:
        single_ms, rate, verify_seconds = measure(Path(folder))
    print(f"verifying {SINGLE_APPENDS + BATCHES * BATCH_SIZE:,} entries took {verify_seconds:.2f} s")
    measures = [
        {
            "name": "append_ms_p50",
            "value": round(single_ms, 2),
            "goal": 5,
            "better": "lower",
            "holds": single_ms <= 5,
        },
        {
            "name": "entries_per_second",
            "value": round(rate),
            "goal": 10_000,
            "better": "higher",
            "holds": rate >= 10_000,
        },
    ]
    versions = {"python": platform.python_version(), "cryptography": version("cryptography")}
    print(json.dumps({"benchmark": "log", "measures": measures, "versions": versions}))
    return 0 if all(measure["holds"] for measure in measures) else 1


if __name__ == "__main__":
    sys.exit(main())
