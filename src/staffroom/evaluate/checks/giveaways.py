"""Choice items whose right option shows without reading the question: by its letter or by its length."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from staffroom.evaluate.checks.finding import Finding, Severity
from staffroom.evaluate.kinds import LETTERS
from staffroom.evaluate.pack import ExamPack
from staffroom.evaluate.patterns import Whitespace
from staffroom.records.exam import Item, Kind
from staffroom.stats import lower_tail, upper_tail_p_value

__all__ = ["find_giveaways"]

# For each of the four questions (a letter too often, too seldom, the longest, the shortest) and size of choice:
# a pack without fault is accused by one of them with probability 0.01 at most.
_LEVEL = 0.01


def find_giveaways(pack: ExamPack) -> Iterator[Finding]:
    """Find letters that are right too often or too seldom, and right options that stand out by their length."""
    by_size: dict[int, list[Item]] = defaultdict(list)
    for item in pack.items:
        if item.kind is Kind.CHOICE or (item.kind is Kind.DILEMMA and len(item.accept) == 1):
            by_size[len(item.choices)].append(item)
    for size, items in sorted(by_size.items()):
        for text in (*_letters(items, size), *_lengths(items, size)):
            yield Finding(Severity.WARNING, "", text)


def _letters(items: Sequence[Item], size: int) -> Iterator[str]:
    counts = Counter(item.accept[0] for item in items)
    of_items = f"of {len(items)} choice items with {size} options"
    for letter in LETTERS[:size]:
        right = counts[letter]
        # Divided among the letters (Bonferroni): each is a chance to accuse falsely.
        if upper_tail_p_value(right, len(items), 1 / size) < _LEVEL / size:
            yield (
                f"{letter} is right in {right} {of_items}: always answering {letter} scores "
                f"{right / len(items):.2f}; deal the right answers out evenly"
            )
        elif size > 2 and lower_tail(right, len(items), 1 / size) < _LEVEL / size:
            yield f"{letter} is right in only {right} {of_items}; deal the right answers out evenly"


def _lengths(items: Sequence[Item], size: int) -> Iterator[str]:
    # An option as long as another stands out by nothing, so 1/size is the most that chance gives.
    for word, sign in (("longest", 1), ("shortest", -1)):
        hits = sum(_stands_out(item, sign) for item in items)
        if upper_tail_p_value(hits, len(items), 1 / size) < _LEVEL:
            yield (
                f"the {word} option is right in {hits} of {len(items)} choice items with {size} options; "
                f"chance is {1 / size:.2f}"
            )


def _stands_out(item: Item, sign: int) -> bool:
    lengths = [sign * len(Whitespace.REMOVE.apply(choice)) for choice in item.choices]
    right = lengths.pop(LETTERS.index(item.accept[0]))
    return right > max(lengths)
