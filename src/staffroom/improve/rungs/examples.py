"""The third rung: corrections as worked examples, of which each question is shown the nearest.

What is shown at every question is learnt as weights are, so it is checked as training data is: a correction that asks much the
same as an exam item, of any split, makes no example; nor does one whose numbers do not stand in the excerpts that go
with it, because it would teach to answer without them.
"""

from dataclasses import replace

from staffroom.improve.ladder import Expected, Proposal, Rung, Workshop
from staffroom.records.feedback import Correction
from staffroom.records.policy import Demonstration, ExampleBook, PromptBook

__all__ = ["propose_examples"]

_LEAST_EXAMPLES = 3
_TRIED = (1, 2, 3)
_MOST_NAMED = 20


def propose_examples(shop: Workshop) -> list[Proposal]:
    """Return the incumbent with the corrections as worked examples, where enough of them can be shown."""
    incumbent = shop.incumbent
    made: list[Demonstration] = []
    sources: list[str] = []
    left_out: list[str] = []
    for one in shop.corrections:
        item = shop.exam_item_like(one.question)
        shown = None if item else _example(shop, one)
        if shown is None:
            left_out.append(
                f"{one.id}: asks what exam item {item} asks" if item else f"{one.id}: not in the excerpts"
            )
        else:
            made.append(shown)
            sources.append(one.digest)
    if len(made) < _LEAST_EXAMPLES:
        return []
    book = ExampleBook(min(shop.examples_shown, len(made)), tuple(made), tuple(sources))
    reason = f"{len(made)} of {len(shop.corrections)} corrections as worked examples, {book.shown} at each question"
    parts = replace(incumbent, examples=book)
    return [Proposal(Rung.EXAMPLES, "examples", parts, reason, tuple(left_out[:_MOST_NAMED]))]


def _example(shop: Workshop, one: Correction) -> Demonstration | None:
    """Return a correction with the fewest excerpts that its answer rests on; None where three do not suffice."""
    parts, expected = shop.incumbent, shop.expected(one)
    characters = parts.policy.excerpt_characters
    found = list(shop.find(parts.index, one.question, max(_TRIED)))
    if not found:
        return None
    for count in _TRIED:
        near = found[:count]
        if expected is Expected.ANSWER and shop.objection(one, near, characters):
            continue
        text = shop.show(near, parts, characters)
        return Demonstration(text, one.question, _word(parts.book, expected), one.corrected)
    return None


def _word(book: PromptBook, expected: Expected) -> str:
    return {
        Expected.ANSWER: book.answer_word,
        Expected.NOTHING: book.nothing_word,
        Expected.REFUSE: book.refuse_word,
    }[expected]
