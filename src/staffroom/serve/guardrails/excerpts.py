"""The guardrails on what is retrieved: what is masked keeps its length, so that citations still open at their place."""

from collections.abc import Sequence
from dataclasses import replace

from staffroom.records.agent import Retrieved
from staffroom.records.guardrails import GuardrailPlan, Ruling, Stage, Verdict
from staffroom.serve.guardrails.personal import KnownContacts, PersonalRail
from staffroom.serve.guardrails.rail import Rail
from staffroom.serve.guardrails.secret_rail import SecretRail
from staffroom.serve.guardrails.tally import Tally

__all__ = ["guard_excerpts"]

_HIDDEN = "●"


def guard_excerpts(
    plan: GuardrailPlan, found: Sequence[Retrieved]
) -> tuple[tuple[Retrieved, ...], tuple[Ruling, ...]]:
    """Return the chunks with what is masked as ●, without those that are blocked, and what was found."""
    tally = Tally()
    kept: list[Retrieved] = []
    for item in found:
        rails: tuple[Rail, ...] = (
            PersonalRail(plan, Stage.RETRIEVAL, KnownContacts(plan.known)),
            SecretRail(plan, Stage.RETRIEVAL),
        )
        edits = [edit for rail in rails if rail.may("", item.text) for edit in rail.judge("", item.text)]
        text = item.text
        for edit in edits:
            tally.note(edit.guardrail, Stage.RETRIEVAL, edit.verdict, edit.reason)
            if edit.verdict is Verdict.MASK:
                shown = "".join(_HIDDEN if sign.isalnum() else sign for sign in text[edit.start : edit.end])
                text = text[: edit.start] + shown + text[edit.end :]
        if not any(edit.verdict is Verdict.BLOCK for edit in edits):
            kept.append(item if text == item.text else replace(item, text=text))
    return tuple(kept), tally.rulings
