"""What the gateway counts, in Prometheus's text format: no texts, and labels of a bounded number of values.

Labels are aliases in service, codes of ours, guardrails and verdicts.
"""

import bisect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from staffroom.serve.duty import DutyRecord

__all__ = ["ENGINE_REFUSED", "Counters", "Ended", "Refused"]

ENGINE_REFUSED = "engine_refused"
"""What counts for a refusal of an engine, whose codes are its own to invent."""

_HELP: Mapping[str, str] = {
    "staffroom_requests_total": "Requests handed to a worker, by how they ended.",
    "staffroom_refused_total": "Requests refused before a worker, by code.",
    "staffroom_tokens_total": "Tokens read and written, by whose count they are.",
    "staffroom_guardrail_rulings_total": "What guardrails did.",
}
_TIMES: Mapping[str, str] = {
    "staffroom_answer_seconds": "Seconds from arrival to the end of the answer.",
    "staffroom_first_text_seconds": "Seconds from arrival to the first text.",
}
_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
_Labels = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """An answer that came to its end: its record, and the trace that the client belongs to (`traceparent`), if it said.

    operation: what was asked for, by OpenTelemetry's names.
    """

    record: DutyRecord
    outcome: str
    trace: str = ""
    operation: str = "invoke_agent"


@dataclass(frozen=True, slots=True)
class Refused:
    """A request that was refused before it reached a worker, by code."""

    code: str


@dataclass(slots=True)
class _Histogram:
    buckets: list[int] = field(default_factory=lambda: [0] * (len(_BOUNDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.buckets[bisect.bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds

    def lines(self, name: str, alias: str) -> list[str]:
        count, lines = 0, []
        for bound, amount in zip((*_BOUNDS, None), self.buckets, strict=True):
            count += amount
            shown = "+Inf" if bound is None else f"{bound:g}"
            lines.append(f"{name}_bucket{_shown((('alias', alias), ('le', shown)))} {count}")
        labels = _shown((("alias", alias),))
        return [*lines, f"{name}_sum{labels} {self.total:.6f}", f"{name}_count{labels} {count}"]


class Counters:
    """Counts since the start of the gateway; it belongs to one event loop. `listeners` are told of each answer and refusal."""

    def __init__(self, listeners: Sequence[Callable[[Ended | Refused], None]] = ()) -> None:
        self._values: Counter[tuple[str, _Labels]] = Counter()
        self._times: dict[tuple[str, str], _Histogram] = {}
        self.listeners = tuple(listeners)

    def ended(
        self, record: DutyRecord, outcome: str, trace: str = "", operation: str = "invoke_agent"
    ) -> None:
        """A worker's answer came to its end, well or not."""
        values, alias = self._values, ("alias", record.alias)
        values["staffroom_requests_total", (alias, ("outcome", outcome))] += 1
        counted = ("counted", record.counted.value)
        values["staffroom_tokens_total", (alias, counted, ("kind", "in"))] += record.tokens_in
        values["staffroom_tokens_total", (alias, counted, ("kind", "out"))] += record.tokens_out
        for ruling in record.rulings:
            labels = (alias, ("guardrail", ruling.guardrail), ("verdict", ruling.verdict.value))
            values["staffroom_guardrail_rulings_total", labels] += ruling.count
        self._time("staffroom_answer_seconds", record.alias, record.seconds)
        if record.first_text_seconds is not None:
            self._time("staffroom_first_text_seconds", record.alias, record.first_text_seconds)
        for listener in self.listeners:
            listener(Ended(record, outcome, trace, operation))

    def refused(self, code: str) -> None:
        """A request was refused before it reached a worker."""
        self._values["staffroom_refused_total", (("code", code),)] += 1
        for listener in self.listeners:
            listener(Refused(code))

    def text(self, gauges: Mapping[str, float], aliases: Iterable[str] | None = None) -> str:
        """Return the exposition; `gauges` are the values of now. aliases: only what is about these."""
        wanted = None if aliases is None else frozenset(aliases)
        lines: list[str] = []
        for name, explanation in _HELP.items():
            lines += [f"# HELP {name} {explanation}", f"# TYPE {name} counter"]
            lines += [
                f"{name}{_shown(labels)} {value}"
                for (found, labels), value in sorted(self._values.items())
                if found == name and _is_about(labels, wanted)
            ]
        for name, explanation in _TIMES.items():
            lines += [f"# HELP {name} {explanation}", f"# TYPE {name} histogram"]
            for (found, alias), histogram in sorted(self._times.items()):
                if found == name and (wanted is None or alias in wanted):
                    lines += histogram.lines(name, alias)
        for name, now in gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name} {now:g}"]
        return "\n".join(lines) + "\n"

    def _time(self, name: str, alias: str, seconds: float) -> None:
        histogram = self._times.get((name, alias))
        if histogram is None:
            histogram = self._times[name, alias] = _Histogram()
        histogram.add(seconds)


def _is_about(labels: _Labels, wanted: frozenset[str] | None) -> bool:
    return wanted is None or dict(labels).get("alias") in wanted


def _shown(labels: _Labels) -> str:
    text = ",".join(
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for name, value in labels
    )
    return "{" + text + "}"
