"""Questions that were met before they are asked: in the documents, in another split, or twice."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator

from staffroom.evaluate.checks.finding import Finding, Severity
from staffroom.evaluate.checks.likeness import Likeness, alike_pairs
from staffroom.evaluate.pack import ExamPack
from staffroom.evaluate.patterns import Whitespace
from staffroom.records.exam import Item
from staffroom.text import shingles

__all__ = ["find_leaks_from_documents", "find_repeated_questions", "find_shared_passages"]

_GRAM = 8
_LEAK_SHARE = 0.5
_ALIKE = 0.7
_MOST_NAMED = 50


def find_leaks_from_documents(pack: ExamPack, chunks: Iterable[str]) -> Iterator[Finding]:
    """Find inputs with half their character 8-grams in one chunk: they ask for text that is already there."""
    grams = {item.id: _grams(item.input) for item in pack.items}
    owners: dict[str, list[str]] = defaultdict(list)
    for item_id, own in grams.items():
        for gram in own:
            owners[gram].append(item_id)
    worst: Counter[str] = Counter()
    for chunk in chunks:
        shared: Counter[str] = Counter()
        for gram in _grams(chunk):
            shared.update(owners.get(gram, ()))
        for item_id, count in shared.items():
            worst[item_id] = max(worst[item_id], count)
    for item in pack.items:
        total = len(grams[item.id])
        if total and worst[item.id] >= _LEAK_SHARE * total:
            share = worst[item.id] / total
            yield Finding(
                Severity.ERROR,
                item.id,
                f"{share:.0%} of the question's 8-grams stand in one passage of the documents",
            )


def find_repeated_questions(pack: ExamPack) -> Iterator[Finding]:
    """Find items that ask nearly the same; a choice item is its question together with its options."""
    continued = pack.definition.get("asking") == "continuation"
    pairs = alike_pairs([_asked(item, continued=continued) for item in pack.items], _ALIKE)
    count = 0
    for count, pair in enumerate((pair for pair in pairs if not _is_pair(pack, pair)), 1):
        if count <= _MOST_NAMED:
            yield _repeated(pack, pack.items[pair.first], pack.items[pair.second], pair.share)
    if count > _MOST_NAMED:
        yield Finding(
            Severity.WARNING, "", f"{count - _MOST_NAMED} more pairs of questions are nearly the same"
        )


def find_shared_passages(pack: ExamPack) -> Iterator[Finding]:
    """Find passages (`reference` with a `#`) whose items lie in several clusters and fell into several splits."""
    users: dict[str, list[Item]] = defaultdict(list)
    for item in pack.items:
        if "#" in item.reference:
            users[item.reference].append(item)
    for reference, items in users.items():
        splits = {pack.splits[item.id] for item in items}
        if len(splits) > 1 and len({item.cluster for item in items}) > 1:
            names = ", ".join(item.id for item in items[:5])
            yield Finding(
                Severity.WARNING,
                items[1].id,
                f"{len(items)} items come from {reference} and fell into {len(splits)} splits ({names}); "
                "give them one cluster",
            )


def _is_pair(pack: ExamPack, pair: Likeness) -> bool:
    """Say whether two items are the sides of a pair, which are meant to be alike."""
    first, second = pack.items[pair.first], pack.items[pair.second]
    return first.kind.is_paired and first.kind is second.kind and first.cluster == second.cluster


def _repeated(pack: ExamPack, first: Item, second: Item, share: float) -> Finding:
    splits = pack.splits[first.id], pack.splits[second.id]
    if share == 1 and splits[0] is not splits[1]:
        text = f"the same question as {first.id}, and they fell into two splits ({splits[0]}, {splits[1]})"
        return Finding(Severity.ERROR, second.id, text)
    text = f"nearly the same question as {first.id} ({share:.0%} alike)"
    if first.cluster == second.cluster:
        severity = Severity.WARNING if share == 1 else Severity.NOTE
        return Finding(severity, second.id, f"{text}, in one cluster")
    text += f"; give both one cluster, or they may fall into two splits ({splits[0]}, {splits[1]})"
    return Finding(Severity.WARNING, second.id, text)


def _asked(item: Item, *, continued: bool) -> str:
    # A prompt for a bare model begins with worked examples, which many prompts share.
    text = item.input.rstrip().rsplit("\n\n", 1)[-1] if continued else item.input
    return "\n".join([text, *sorted(item.choices)]) if item.kind.has_options else text


def _grams(text: str) -> frozenset[str]:
    return shingles(Whitespace.REMOVE.apply(text), _GRAM)
