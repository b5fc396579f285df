"""Answers of the starter models to public multiple choice, recorded so that hours of asking can be spread and checked.

One CSV a model in `benchmarks/recorded/`. Its first line says, as JSON, what answered: weights, prompt, protocol, engine and
machine. Each row is one item: its digest, the probability of each option averaged over the orders of the options, tokens
read and written, seconds. The items themselves are not in it. A row counts where weights, prompt, protocol and item are
the same; the engine may be another machine's, which is said. Scores are computed from the probabilities, never recorded.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from staffroom.evaluate import LETTERS
from staffroom.records.exam import Item, Response
from staffroom.records.protocols import ResponseSink

__all__ = ["RecordedAnswers", "write_recorded"]

FOLDER = Path(__file__).parent / "recorded"
COLUMNS = ("item", "probabilities", "tokens_in", "tokens_out", "seconds")
BOUND = ("base", "prompt", "policy")


class RecordedAnswers:
    """A sink that knows the recorded answers of one agent beside those that are kept on this machine."""

    def __init__(self, kept: ResponseSink, name: str, spec: Mapping[str, Any], items: Sequence[Item]) -> None:
        self._kept = kept
        self._agent = ""
        self._rows: dict[str, Response] = {}
        self.engine: Mapping[str, Any] = {}
        path = FOLDER / f"{name}.csv"
        if path.is_file():
            self._read(path, spec, {item.digest: item for item in items})

    def __len__(self) -> int:
        return len(self._rows)

    def get(self, agent: str, item_digest: str, seed: int) -> Response | None:
        """Return the answer kept on this machine, else the recorded one."""
        found = self._kept.get(agent, item_digest, seed)
        if found is not None or agent != self._agent or seed:
            return found
        return self._rows.get(item_digest)

    def put(self, item_digest: str, response: Response) -> None:
        """Keep an answer on this machine."""
        self._kept.put(item_digest, response)

    def _read(self, path: Path, spec: Mapping[str, Any], items: Mapping[str, Item]) -> None:
        with path.open(encoding="utf-8", newline="") as file:
            head = json.loads(file.readline())
            if any(head["spec"].get(name) != spec[name] for name in BOUND):
                return
            self._agent, self.engine = str(spec["digest"]), head["engine"]
            for row in csv.DictReader(file, COLUMNS):
                item = items.get(row["item"])
                if item is not None:
                    self._rows[item.digest] = _response(row, item, self._agent)


def write_recorded(
    name: str, spec: Mapping[str, Any], engine: Mapping[str, Any], items: Sequence[Item], sink: ResponseSink
) -> int:
    """Write what is known of an agent's answers to the items, recorded before or kept here; return how many.

    Answers that failed are left out: they are asked again.
    """
    rows = []
    for item in sorted(items, key=lambda item: item.digest):
        found = sink.get(str(spec["digest"]), item.digest, 0)
        if found is not None and not found.error:
            shares = " ".join(f"{value:.6f}" for value in found.option_probabilities)
            rows.append((item.digest, shares, found.tokens_in, found.tokens_out, round(found.seconds, 3)))
    if rows:
        FOLDER.mkdir(exist_ok=True)
        with (FOLDER / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            file.write(json.dumps({"spec": dict(spec), "engine": dict(engine)}, sort_keys=True) + "\n")
            csv.writer(file, lineterminator="\n").writerows(rows)
    return len(rows)


def _response(row: Mapping[str, str], item: Item, agent: str) -> Response:
    shares = tuple(float(value) for value in row["probabilities"].split())
    if len(shares) != len(item.choices) or not all(math.isfinite(value) for value in shares):
        raise SystemExit(f"a recorded answer to {item.id} has {len(shares)} probabilities")
    first, second = sorted(shares, reverse=True)[:2]
    return Response(
        item_id=item.id,
        agent=agent,
        seed=0,
        text=LETTERS[shares.index(first)],
        option_probabilities=shares,
        margin_nats=math.log(max(first, 1e-12) / max(second, 1e-12)),
        tokens_in=int(row["tokens_in"]),
        tokens_out=int(row["tokens_out"]),
        seconds=float(row["seconds"]),
    )
