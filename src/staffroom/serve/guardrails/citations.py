"""The guardrails on citations: what an answer cites was retrieved, and says what stands beside the citation.

1. a cited chunk was retrieved;
2. a quotation of six letters or more stands in a cited excerpt (in any that was shown, where the sentence cites none);
3. a number beside a citation stands in the cited excerpt or in the question.
Letters and digits are compared, not punctuation, width or script. That every number stands in some excerpt is checked
before (`serve.grounding`).
"""

import re
from collections.abc import Sequence

from staffroom.records.agent import Retrieved
from staffroom.records.guardrails import GuardrailPlan, Ruling, Stage, Verdict
from staffroom.serve.guardrails.tally import Tally
from staffroom.text import comparable, numbers_in, quotations

__all__ = ["CitationCheck"]

_MARK = re.compile(r"[【\[]\s*(\d{1,2})\s*[】\]]")
_SHORTEST_QUOTATION = 6


class CitationCheck:
    """Checks the sentences of one answer against the chunks that were retrieved for it."""

    def __init__(self, plan: GuardrailPlan, question: str, found: Sequence[Retrieved]) -> None:
        self._plan = plan
        self._tally = Tally()
        self._plain = [comparable(" ".join((*item.heading_path, item.text))) for item in found]
        self._numbers = [set(numbers_in(" ".join((*item.heading_path, item.text)))) for item in found]
        self._asked = set(numbers_in(question))
        self._question = comparable(question)

    @property
    def rulings(self) -> tuple[Ruling, ...]:
        """What was found so far."""
        return self._tally.rulings

    def objection(self, sentence: str) -> str:
        """Return why a sentence may not be served, or an empty string; what is only flagged is recorded."""
        marks = [int(mark.group(1)) for mark in _MARK.finditer(sentence)]
        named = [mark - 1 for mark in marks if 1 <= mark <= len(self._plain)]
        if len(named) < len(marks):
            self._note("cited_chunks", "not_retrieved")
        bare = _MARK.sub("", sentence)
        said = ""
        if any(not self._stands(quoted, named) for quoted in _quoted(bare)) and self._note(
            "cited_quotations", "not_in_excerpt"
        ):
            said = "a quotation stands in no cited excerpt"
        if named and not self._counted(bare, named) and self._note("cited_numbers", "not_in_cited_excerpt"):
            said = said or "a number does not stand in the cited excerpt"
        return said

    def _stands(self, quoted: str, named: Sequence[int]) -> bool:
        places = named or range(len(self._plain))
        return quoted in self._question or any(quoted in self._plain[place] for place in places)

    def _counted(self, text: str, named: Sequence[int]) -> bool:
        allowed = self._asked.union(*(self._numbers[place] for place in named))
        return allowed.issuperset(numbers_in(text))

    def _note(self, guardrail: str, reason: str) -> bool:
        """Record a finding; says whether it ends the answer."""
        verdict = self._plan.verdict(guardrail, Stage.OUTPUT)
        if verdict is Verdict.ALLOW:
            return False
        # A false quotation or number has nothing true to put in its place: masking it is leaving the sentence out.
        ends = verdict is Verdict.BLOCK or (verdict is Verdict.MASK and guardrail != "cited_chunks")
        self._tally.note(guardrail, Stage.OUTPUT, Verdict.BLOCK if ends else verdict, reason)
        return ends


def _quoted(text: str) -> list[str]:
    """Return what a text quotes, letters and digits only; short ones are names and terms."""
    spans = [comparable(text[start + 1 : end - 1]) for start, end in quotations(text)]
    return [quoted for quoted in spans if len(quoted) >= _SHORTEST_QUOTATION]
