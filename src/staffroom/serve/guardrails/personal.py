"""The guardrail on personal data: identifiers of persons, and contacts that come from nowhere."""

from collections.abc import Sequence

from staffroom.records.guardrails import GuardrailPlan, Stage, Verdict
from staffroom.serve.guardrails.masks import mask_for
from staffroom.serve.guardrails.rail import Edit
from staffroom.text import comparable
from staffroom.text.personal import IDENTIFIERS, PersonalDatum, PersonalKind, find_personal
from staffroom.text.personal.find import may_hold_personal

__all__ = ["KnownContacts", "PersonalRail"]


class KnownContacts:
    """The telephone numbers and addresses that stand in given texts; they may be told. Read when first asked."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = tuple(texts)
        self._values: set[tuple[PersonalKind, str]] | None = None
        self._plain = ""

    def has(self, datum: PersonalDatum) -> bool:
        """Say whether a finding stands in one of the texts, however it is written there."""
        if self._values is None:
            self._values = {(each.kind, each.value) for text in self._texts for each in find_personal(text)}
            self._plain = comparable("\n".join(self._texts))
        if (datum.kind, datum.value) in self._values:
            return True
        return datum.kind is PersonalKind.ADDRESS and comparable(datum.value) in self._plain


class PersonalRail:
    """Looks for the plan's kinds of personal data at one stage."""

    def __init__(self, plan: GuardrailPlan, stage: Stage, known: KnownContacts) -> None:
        self._locale = plan.locale
        self._known = known
        self._identifiers = plan.verdict("identifiers", stage)
        self._contacts = plan.verdict("contacts", stage)
        wanted = {PersonalKind(kind) for kind in plan.kinds}
        self._kinds = frozenset(
            kind
            for kind in wanted
            if (self._identifiers if kind in IDENTIFIERS else self._contacts) is not Verdict.ALLOW
        )

    def may(self, before: str, text: str) -> bool:
        """Say whether the text has a digit, an @ or the like."""
        return bool(self._kinds) and may_hold_personal(text)

    def peek(self, before: str, piece: str) -> list[Edit]:
        """Return the findings of a piece: nothing is remembered anyway."""
        return self.judge(before, piece)

    def judge(self, before: str, piece: str) -> list[Edit]:
        """Return the personal data of a piece; contacts that are known are let through."""
        start = len(before)
        edits: list[Edit] = []
        for datum in find_personal(before + piece, self._kinds):
            if datum.end <= start:
                continue
            named = datum.kind in IDENTIFIERS
            verdict = self._identifiers if named else self._contacts
            if not named and self._known.has(datum):
                continue
            edits.append(
                Edit(
                    max(0, datum.start - start),
                    datum.end - start,
                    "identifiers" if named else "contacts",
                    verdict,
                    datum.kind.value,
                    mask_for(datum.kind.value, self._locale),
                )
            )
        return edits
