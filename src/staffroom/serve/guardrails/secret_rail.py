"""The guardrail on secrets; a private-key block is masked to its end, however long it is."""

import re

from staffroom.records.guardrails import GuardrailPlan, Stage, Verdict
from staffroom.serve.guardrails.masks import mask_for
from staffroom.serve.guardrails.rail import Edit
from staffroom.text.credentials import (
    KEY_BLOCK_END,
    CredentialKind,
    find_credentials,
    may_hold_credentials,
)

__all__ = ["SecretRail"]

_REST = re.compile(r"[A-Za-z0-9_.=/+-]+")
_END_REACH = 48


class SecretRail:
    """Looks for secrets at one stage; it remembers from piece to piece whether it is within one."""

    def __init__(self, plan: GuardrailPlan, stage: Stage) -> None:
        self._locale = plan.locale
        self._verdict = plan.verdict("secrets", stage)
        self._in_block = False
        self._in_token = False

    def may(self, before: str, text: str) -> bool:
        """Say whether a secret can begin or go on in the text."""
        return self._verdict is not Verdict.ALLOW and (
            self._in_block or self._in_token or may_hold_credentials(before + text)
        )

    def peek(self, before: str, piece: str) -> list[Edit]:
        """Return the secrets that begin in a piece."""
        start = len(before)
        found = find_credentials(before + piece)
        return [self._edit(each.start - start, each.end - start, each.kind) for each in found]

    def judge(self, before: str, piece: str) -> list[Edit]:
        """Return the secrets of a piece."""
        edits: list[Edit] = []
        place = 0
        if self._in_block:
            shown = before[-_END_REACH:]
            end = KEY_BLOCK_END.search(shown + piece)
            place = max(0, end.end() - len(shown)) if end else len(piece)
            self._in_block = end is None
            edits.append(self._edit(0, place, CredentialKind.PRIVATE_KEY, silent=True))
        elif self._in_token:
            rest = _REST.match(piece)
            place = rest.end() if rest else 0
            edits.append(self._edit(0, place, CredentialKind.TOKEN, silent=True))
        self._in_token = self._in_token and place == len(piece)
        start = len(before)
        for found in find_credentials(before + piece):
            first, last = max(place, found.start - start), found.end - start
            # What begins in the text before was within this piece's beginning, or ended there.
            if last <= place or (found.kind is CredentialKind.PRIVATE_KEY and found.start < start):
                continue
            edits.append(self._edit(first, last, found.kind))
            if last == len(piece):
                if found.kind is CredentialKind.PRIVATE_KEY:
                    self._in_block = not KEY_BLOCK_END.search(piece, first)
                else:
                    self._in_token = _REST.fullmatch(piece[-1]) is not None
        return edits

    def _edit(self, start: int, end: int, kind: CredentialKind, *, silent: bool = False) -> Edit:
        instead = "" if silent else mask_for(kind.value, self._locale)
        return Edit(start, end, "secrets", self._verdict, kind.value, instead, silent)
