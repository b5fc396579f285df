"""The text of one answer on its way out: plain marks, the locale's script and words, the guardrails, the listener.

It knows nothing of the engine or of why an answer is given; it says where a guardrail ends it.
"""

from collections.abc import Sequence

from staffroom.records.agent import Retrieved
from staffroom.records.guardrails import Stage, Verdict
from staffroom.records.policy import AgentPolicy
from staffroom.records.protocols import TextListener
from staffroom.serve.grounding import plain_marks
from staffroom.serve.guardrails import AnswerGuard, CitationCheck, Tally, TextGuard
from staffroom.text.locale import check, repair

__all__ = ["ReleasedText"]


class ReleasedText:
    """What of one answer has been let go, sentence by sentence: repaired, guarded, and told to the listener."""

    def __init__(
        self,
        rails: TextGuard,
        policy: AgentPolicy,
        question: str,
        found: Sequence[Retrieved],
        tally: Tally,
        on_text: TextListener | None,
    ) -> None:
        self.sentences = 0
        self.blocked = ""
        self._rails = rails
        self._policy = policy
        self._question = question
        self._found = tuple(found)
        self._tally = tally
        self._on_text = on_text
        self._pieces: list[str] = []
        self._check = CitationCheck(rails.plan, question, found)
        self._guard = self._new_guard()

    def objection(self, sentence: str) -> str:
        """Return why a sentence may not stand beside what it cites, or an empty string."""
        return self._check.objection(sentence)

    def release(self, sentence: str) -> None:
        """Let a sentence go as far as the guardrails let it; `blocked` says where one ended the answer."""
        self.sentences += 1
        text = plain_marks(sentence, len(self._found))
        if self._policy.repair_locale:
            repaired = repair(text, self._policy.locale)[0]
            if repaired != text:
                self._tally.note("locale", Stage.OUTPUT, Verdict.MASK, "repaired")
            text = repaired
        self._tell(self._guard.feed(text))
        self.blocked = self._guard.blocked

    def end(self) -> str:
        """Let go what was held back and return the whole."""
        self._tell(self._guard.rest())
        self.blocked = self.blocked or self._guard.blocked
        self._tally.add((*self._guard.rulings, *self._check.rulings))
        return "".join(self._pieces).strip()

    def quotation(self, quoted: str) -> str:
        """Return a quotation of the excerpts as it may be served, instead of an answer; empty where it may not."""
        self._guard = self._new_guard()
        text = self._guard.feed(quoted) + self._guard.rest()
        self.blocked = self._guard.blocked
        self._tally.add(self._guard.rulings)
        if self.blocked:
            return ""
        self._tell(text)
        return text

    def closing(self, text: str) -> str:
        """Return what the charter requires behind the answer, and judge the answer's locale."""
        wanted = self._rails.plan.verdict("locale", Stage.OUTPUT)
        if wanted is Verdict.FLAG and not check(text, self._policy.locale).clean:
            self._tally.note("locale", Stage.OUTPUT, Verdict.FLAG, "not_of_the_locale")
        guard = self._new_guard()
        added = "" if self.blocked else guard.closing(text)
        self._tally.add(guard.rulings)
        return added

    def _tell(self, text: str) -> None:
        text = text if any(self._pieces) else text.lstrip()
        self._pieces.append(text)
        if self._on_text is not None and text:
            self._on_text(text)

    def _new_guard(self) -> AnswerGuard:
        known = [item.text for item in self._found]
        return self._rails.answer(question=self._question, known=known, repair=False)
