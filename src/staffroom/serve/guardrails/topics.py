"""The guardrail on the charter's forbidden topics, told by words.

Words are compared without case, width, script and hidden signs (letters and digits only); a Latin word must stand alone, so
that "war" is not in "award". It does not know what a sentence means: a topic spoken of in other words passes it, and the
request guard and the model's own verdict are for that.
"""

import re
from collections.abc import Iterable

from staffroom.records.guardrails import GuardrailPlan, Stage, Topic, Verdict
from staffroom.serve.guardrails.rail import BEFORE, Edit
from staffroom.text import to_traditional
from staffroom.text.personal.fold import fold

__all__ = ["TopicRail", "WordList"]

_WORD = re.compile(r"[^\W_]+")
_PART = re.compile(r"^[^\W_\u4e00-\u9fff]+")
_HAN = re.compile(r"[一-鿿]")


class WordList:
    """Words that are looked for in texts."""

    def __init__(self, words: Iterable[str]) -> None:
        plain = [_plain(word) for word in words]
        self._alone = tuple(word for word in plain if word.strip() and not _HAN.search(word))
        # Chinese writes no blanks: its words may stand anywhere, whatever blanks are put between.
        self._within = tuple(word.replace(" ", "") for word in plain if _HAN.search(word))

    def among(self, plain: str) -> bool:
        """Say whether one of the words is in a text that `plain_words` gave."""
        if any(word in plain for word in self._alone):
            return True
        joined = plain.replace(" ", "") if self._within else ""
        return any(word in joined for word in self._within)

    def within(self, text: str) -> bool:
        """Say whether one of the words is in a text."""
        return self.among(_plain(text))


class TopicRail:
    """Looks for the words of the forbidden topics at one stage."""

    def __init__(self, plan: GuardrailPlan, stage: Stage) -> None:
        self._topics = tuple((topic.name, WordList(topic.words)) for topic in _unique(plan.topics))
        verdict = plan.verdict("forbidden_topics", stage)
        # There is nothing to put in a topic's place, so masking it is ending before it.
        self._verdict = Verdict.BLOCK if verdict is Verdict.MASK else verdict

    def may(self, before: str, text: str) -> bool:
        """Say whether a text, with what stood before it, has a word of a topic."""
        if not self._topics or self._verdict is Verdict.ALLOW:
            return False
        plain = _plain(_from_a_word(before) + text)
        return any(words.among(plain) for _, words in self._topics)

    def peek(self, before: str, piece: str) -> list[Edit]:
        """Return nothing: a topic is found in what stood before and the piece together."""
        return []

    def judge(self, before: str, piece: str) -> list[Edit]:
        """Return one finding for each topic that the piece, with what stood before it, is the first to name."""
        before = _from_a_word(before)
        plain, earlier = _plain(before + piece), _plain(before)
        return [
            Edit(0, len(piece), "forbidden_topics", self._verdict, name)
            for name, words in self._topics
            if words.among(plain) and not words.among(earlier)
        ]


def _from_a_word(before: str) -> str:
    """Return what stood before from its first whole word on: its beginning may be the end of one (anti|war).

    What is shorter than what rails are shown is the text from its beginning, whose first word is whole.
    """
    return before if len(before) < BEFORE else _PART.sub("", before, count=1)


def _plain(text: str) -> str:
    """Return the words of a text in small letters and Traditional characters, one blank around each."""
    return f" {' '.join(_WORD.findall(to_traditional(fold(text).text).casefold()))} "


def _unique(topics: Iterable[Topic]) -> Iterable[Topic]:
    return {topic.name: topic for topic in topics}.values()
