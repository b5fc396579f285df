"""What the gateway counts, in Prometheus's text format."""

from collections import Counter
from collections.abc import Mapping

__all__ = ["Counters"]

_HELP: Mapping[str, str] = {
    "staffroom_requests_total": "Requests handed to a worker, by how they ended.",
    "staffroom_refused_total": "Requests refused before a worker, by code.",
    "staffroom_tokens_total": "Tokens read and written.",
    "staffroom_answer_seconds_sum": "Seconds from arrival to the end of the answer, summed.",
    "staffroom_answer_seconds_count": "Answers in that sum.",
}
_IN, _OUT = ("kind", "in"), ("kind", "out")


class Counters:
    """Counts since the start of the gateway; it belongs to one event loop."""

    def __init__(self) -> None:
        self._values: Counter[tuple[str, tuple[tuple[str, str], ...]]] = Counter()
        self._seconds: dict[str, float] = {}

    def ended(self, alias: str, outcome: str, tokens_in: int, tokens_out: int, seconds: float) -> None:
        """A worker's answer came to its end, well or not."""
        values, name = self._values, ("alias", alias)
        values["staffroom_requests_total", (name, ("outcome", outcome))] += 1
        values["staffroom_tokens_total", (name, _IN)] += tokens_in
        values["staffroom_tokens_total", (name, _OUT)] += tokens_out
        values["staffroom_answer_seconds_count", (name,)] += 1
        self._seconds[alias] = self._seconds.get(alias, 0.0) + seconds

    def refused(self, code: str) -> None:
        """A request was refused before it reached a worker."""
        self._values["staffroom_refused_total", (("code", code),)] += 1

    def text(self, gauges: dict[str, float]) -> str:
        """Return the exposition; `gauges` are the values of now."""
        lines: list[str] = []
        for name, explanation in _HELP.items():
            lines += [f"# HELP {name} {explanation}", f"# TYPE {name} counter"]
            lines += [
                f"{name}{_labels(labels)} {value}"
                for (found, labels), value in sorted(self._values.items())
                if found == name
            ]
            if name == "staffroom_answer_seconds_sum":
                lines += [
                    f"{name}{_labels((('alias', alias),))} {seconds:.6f}"
                    for alias, seconds in sorted(self._seconds.items())
                ]
        for name, now in gauges.items():
            lines += [f"# TYPE {name} gauge", f"{name} {now:g}"]
        return "\n".join(lines) + "\n"


def _labels(labels: tuple[tuple[str, str], ...]) -> str:
    shown = ",".join(
        '{}="{}"'.format(name, value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for name, value in labels
    )
    return "{" + shown + "}"
