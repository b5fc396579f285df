"""A plain model: an engine that is served as it is, without the agent that exams are about, and that says so."""

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Any

from staffroom.records.budgets import TokenPrice
from staffroom.records.digests import digest_value
from staffroom.records.guardrails import GuardrailPlan

__all__ = ["PlainModel"]


@dataclass(frozen=True, slots=True)
class PlainModel:
    """What is admitted to be served under an alias; its digest is what the permit names.

    source: digest of a model file, or `endpoint:<url>#<model>`.  sponsor: commitment to the person who answers for it.
    engine: how it reports tokens within a stream: `llama`, `vllm`, or `openai` (at the end only).
    endpoints: the routes it has.  context, max_output: tokens.  slots: answers at a time;
    waiting: requests that may wait behind them.  guardrails: those that it runs under; None for none.
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
    guardrails: GuardrailPlan | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the whole of it as JSON data."""
        plan = self.guardrails
        # An empty list is what models without guardrails have had from the first.
        return {**self._facts(), "guardrails": [] if plan is None else plan.as_json()}

    def manifest(self) -> dict[str, Any]:
        """Return what is published of it: of its guardrails what each does, and a digest of their words."""
        plan = self.guardrails
        if plan is None:
            return {**self._facts(), "guardrails": []}
        rules = [
            {"id": rule.id, "version": rule.version, "stage": rule.stage.value, "verdict": rule.verdict.value}
            for rule in plan.rules
        ]
        return {**self._facts(), "guardrails": rules, "guardrail_plan": digest_value(plan.as_json())}

    def _facts(self) -> dict[str, Any]:
        facts = {each.name: getattr(self, each.name) for each in fields(self) if each.name != "guardrails"}
        return {**facts, "endpoints": list(self.endpoints)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "PlainModel":
        """Return the model that `as_json` gave."""
        plan = data["guardrails"]
        guardrails = GuardrailPlan.from_json(plan) if isinstance(plan, dict) else None
        return cls(**{**data, "endpoints": tuple(data["endpoints"]), "guardrails": guardrails})

    @property
    def digest(self) -> str:
        """What its admission is known by."""
        return digest_value(self.manifest())

    @property
    def price(self) -> TokenPrice:
        """The price of a token."""
        return TokenPrice.per_million(self.currency, Decimal(self.price_read), Decimal(self.price_written))
