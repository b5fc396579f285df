"""The guardrails of one worker, for whoever has texts and streams: the agent, and a gateway that passes answers through.

    guard = TextGuard(plan)
    asked = guard.examine(Stage.INPUT, question)      # .text is what may go on, .blocked why nothing may
    answer = guard.answer(question=asked.text)
    for piece in pieces:
        send(answer.feed(piece))                      # held back: a clause at most
        if answer.blocked:
            break                                     # end the answer: finish_reason "content_filter"
    send(answer.finish())
    record(asked.rulings + answer.rulings)            # codes and counts, no texts

What is served and found does not depend on how the answer was cut into pieces.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from staffroom.records.guardrails import GuardrailPlan, RequiredText, Ruling, Stage, Verdict
from staffroom.serve.guardrails.personal import KnownContacts, PersonalRail
from staffroom.serve.guardrails.rail import Rail
from staffroom.serve.guardrails.secret_rail import SecretRail
from staffroom.serve.guardrails.stream import GuardedStream
from staffroom.serve.guardrails.tally import Tally
from staffroom.serve.guardrails.topics import TopicRail, WordList
from staffroom.text import StreamRepair, comparable
from staffroom.text import check as check_locale

__all__ = ["AnswerGuard", "Examined", "TextGuard"]

_LOCALE_CHARACTERS = 65_536


@dataclass(frozen=True, slots=True)
class Examined:
    """A text after its guardrails: what may go on, why nothing may (or ""), and what was found."""

    text: str
    blocked: str
    rulings: tuple[Ruling, ...]


class TextGuard:
    """A worker's guardrails; it keeps nothing between texts and may be shared."""

    def __init__(self, plan: GuardrailPlan) -> None:
        self._plan = plan

    @property
    def plan(self) -> GuardrailPlan:
        """What it carries out."""
        return self._plan

    def examine(self, stage: Stage, text: str) -> Examined:
        """Examine a whole text: a request (input), or what a tool returned (tool)."""
        stream = self.stream(stage, self.contacts())
        served = stream.feed(text) + stream.finish()
        return Examined("" if stream.blocked else served, stream.blocked, stream.rulings)

    def contacts(self, texts: Sequence[str] = ()) -> KnownContacts:
        """Return the contacts that may be told: those of the plan, and those that stand in the texts."""
        return KnownContacts((*self._plan.known, *texts))

    def stream(self, stage: Stage, contacts: KnownContacts) -> GuardedStream:
        """Return what examines one text as it comes, for a caller that serves the bytes it was given."""
        return GuardedStream(stage, _rails(self._plan, stage, contacts))

    def answer(self, *, question: str = "", known: Sequence[str] = (), repair: bool = True) -> "AnswerGuard":
        """Return the guard of one answer.

        known: texts whose contacts may be told beside those of charter and question: the excerpts that were shown.
        repair: off where the caller brings script and wording to the locale itself.
        """
        return AnswerGuard(self._plan, question, known, repair=repair)


class AnswerGuard:
    """One answer on its way to the person: `feed` its pieces, then `finish`; stop where `blocked` is set."""

    def __init__(self, plan: GuardrailPlan, question: str, known: Sequence[str], *, repair: bool) -> None:
        self._plan = plan
        self._question = question
        contacts = KnownContacts((*plan.known, question, *known))
        self._stream = GuardedStream(Stage.OUTPUT, _rails(plan, Stage.OUTPUT, contacts))
        self._locale = plan.verdict("locale", Stage.OUTPUT) if repair else Verdict.ALLOW
        self._repair = StreamRepair(plan.locale) if self._locale is Verdict.MASK else None
        self._raw = self._repaired = ""
        self._served: list[str] = []
        self._ended: list[Ruling] = []

    @property
    def blocked(self) -> str:
        """Why the answer must end, or an empty string."""
        return self._stream.blocked

    @property
    def rulings(self) -> tuple[Ruling, ...]:
        """What was found so far; of the locale, when finished."""
        tally = Tally()
        tally.add((*self._stream.rulings, *self._ended))
        return tally.rulings

    def feed(self, text: str) -> str:
        """Take the next piece of the answer and return what may be served now."""
        if self._locale is not Verdict.ALLOW and len(self._raw) < _LOCALE_CHARACTERS:
            self._raw += text
        if self._repair is not None:
            text = self._repair.feed(text)
        return self._let_go(text)

    def finish(self) -> str:
        """Return the rest of the answer, with the required phrases that it lacks."""
        rest = self.rest()
        return rest + self.closing("".join(self._served))

    def rest(self) -> str:
        """Return what was held back; nothing more may be fed."""
        rest = ""
        if self._repair is not None and not self.blocked:
            rest = self._let_go(self._repair.finish())
        return rest + self._served_now(self._stream.finish())

    def closing(self, served: str) -> str:
        """Return the required phrases that the served text lacks, and judge the locale of the whole."""
        tally = Tally()
        added = ""
        if not self.blocked:
            if self._repair is not None and self._repaired != self._raw[: len(self._repaired)]:
                tally.note("locale", Stage.OUTPUT, Verdict.MASK, "repaired")
            elif self._locale is Verdict.FLAG and not check_locale(self._raw, self._plan.locale).clean:
                tally.note("locale", Stage.OUTPUT, Verdict.FLAG, "not_of_the_locale")
            added = _missing_phrases(self._plan, self._question, served)
        if added:
            tally.note("required_phrases", Stage.OUTPUT, Verdict.MASK, "added")
        self._ended = list(tally.rulings)
        return added

    def _let_go(self, text: str) -> str:
        if self._repair is not None and len(self._repaired) < _LOCALE_CHARACTERS:
            self._repaired += text
        return self._served_now(self._stream.feed(text))

    def _served_now(self, text: str) -> str:
        if self._plan.required and text:
            self._served.append(text)
        return text


def _missing_phrases(plan: GuardrailPlan, question: str, text: str) -> str:
    """Return what is to be added to an answer so that it has the plan's required phrases, each on a line."""
    if not plan.required:
        return ""
    plain = comparable(text)
    return "".join(
        f"\n{phrase.text}"
        for phrase in plan.required
        if comparable(phrase.text) not in plain and _concerns(phrase, question, text)
    )


def _concerns(phrase: RequiredText, question: str, text: str) -> bool:
    return not phrase.about or WordList(phrase.about).within(f"{question}\n{text}")


def _rails(plan: GuardrailPlan, stage: Stage, known: KnownContacts) -> tuple[Rail, ...]:
    return (PersonalRail(plan, stage, known), SecretRail(plan, stage), TopicRail(plan, stage))
