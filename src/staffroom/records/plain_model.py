"""A plain model: an engine that is served as it is, without the agent that exams are about, and that says so."""

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from staffroom.records.budgets import TokenPrice
from staffroom.records.digests import digest_value

__all__ = ["PlainModel"]


@dataclass(frozen=True, slots=True)
class PlainModel:
    """What is admitted to be served under an alias; its digest is what the permit names.

    source: digest of a model file, or `endpoint:<url>#<model>`.  sponsor: commitment to the person who answers for it.
    engine: how it reports tokens within a stream: `llama`, `vllm`, or `openai` (at the end only).
    endpoints: the routes it has.  context, max_output: tokens.  slots: answers at a time;
    waiting: requests that may wait behind them.  guardrails: ids of the text guardrails it runs under.
    Prices are decimal texts for a million tokens, so that the digest does not depend on how a number is written.
    """

    alias: str
    source: str
    sponsor: str
    engine: str
    endpoints: tuple[str, ...]
    images: bool
    context: int
    max_output: int
    slots: int
    waiting: int
    currency: str
    price_read: str
    price_written: str
    guardrails: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return the manifest."""
        return {**asdict(self), "endpoints": list(self.endpoints), "guardrails": list(self.guardrails)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "PlainModel":
        """Return the model that `as_json` gave."""
        return cls(**{**data, "endpoints": tuple(data["endpoints"]), "guardrails": tuple(data["guardrails"])})

    @property
    def digest(self) -> str:
        """What its admission is known by."""
        return digest_value(self.as_json())

    @property
    def price(self) -> TokenPrice:
        """The price of a token."""
        return TokenPrice.per_million(self.currency, Decimal(self.price_read), Decimal(self.price_written))
