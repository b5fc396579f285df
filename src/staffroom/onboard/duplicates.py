"""Find one text that came in several formats, so that an answer cites it once, from its cleanest form.

Texts whose numbers differ are never taken for one another: two versions of a by-law differ by a fee or a term.
"""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import combinations

from staffroom.records.documents import Chunk, ReadDocument

__all__ = ["find_duplicates", "format_rank"]

_RANKS: Mapping[str, int] = {
    "text/markdown": 0,
    "text/html": 1,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": 2,
    "application/vnd.oasis.opendocument.text": 2,
    "text/plain": 3,
    "application/pdf": 5,
}
_OTHER_RANK, _OCR_RANK = 4, 6
_GRAM = 3
_LIKE_FROM_OCR = 0.8
_MIN_LETTERS = 8
_TWIN_SHARE = 0.8
_MAX_HOLDERS = 20
_NUMERALS = frozenset("0123456789〇零一二三四五六七八九十百千萬")


def format_rank(document: ReadDocument) -> int:
    """Return how clean a document's text is by where it came from: 0 (Markdown) to 6 (OCR)."""
    if "rapidocr" in document.extracted.reader:
        return _OCR_RANK
    return _RANKS.get(document.source.media_type, _OTHER_RANK)


def find_duplicates(documents: Sequence[ReadDocument], chunks: Sequence[Chunk]) -> Mapping[str, str]:
    """Map the id of each chunk that repeats another document's to the id of the cleanest chunk of that text.

    1. Documents are twins if four fifths of the smaller one's chunks have the same letters and digits in the other.
    2. Chunks with the same letters and digits are one text if they are of one cluster or of twins, and no two as-of
       dates differ: by-laws share sentences, and each must be cited as its own.
    3. A chunk read by OCR is also taken for a cleaner one of the same cluster if at least 0.8 of its character
       trigrams are the same and so are all its numbers.
    The cleanest is by format (Markdown, HTML, DOCX or ODT, text, others, PDF, OCR), then by order of documents.
    A chunk that repeats another of its own document is left alone.
    """
    ranks = {document.source.name: format_rank(document) for document in documents}
    order = {document.source.name: place for place, document in enumerate(documents)}
    letters = {chunk.id: _letters(chunk.text) for chunk in chunks}
    # 1.
    twins = _twins(chunks, letters)

    def cleanness(chunk: Chunk) -> tuple[int, int, int]:
        return ranks[chunk.document_name], order[chunk.document_name], chunk.start

    kept: dict[str, str] = {}
    known: dict[str, list[Chunk]] = defaultdict(list)
    by_cluster: dict[str, list[Chunk]] = defaultdict(list)
    for chunk in sorted(chunks, key=cleanness):
        # 2.
        twin = _first(chunk, known[letters[chunk.id]], twins)
        # 3.
        if twin is None and ranks[chunk.document_name] == _OCR_RANK:
            near = [o for o in by_cluster[chunk.cluster] if _alike(letters[chunk.id], letters[o.id])]
            twin = _first(chunk, near, twins)
        if twin is not None:
            kept[chunk.id] = twin.id
            continue
        known[letters[chunk.id]].append(chunk)
        by_cluster[chunk.cluster].append(chunk)
    return kept


def _twins(chunks: Sequence[Chunk], letters: Mapping[str, str]) -> set[frozenset[str]]:
    """Return the pairs of document names that share most of their chunks."""
    holders: dict[str, set[str]] = defaultdict(set)
    sizes: Counter[str] = Counter()
    for chunk in chunks:
        if chunk.document_name not in holders[letters[chunk.id]]:
            holders[letters[chunk.id]].add(chunk.document_name)
            sizes[chunk.document_name] += 1
    shared: Counter[frozenset[str]] = Counter()
    for names in holders.values():
        if len(names) <= _MAX_HOLDERS:
            shared.update(frozenset(pair) for pair in combinations(sorted(names), 2))
    return {
        pair for pair, count in shared.items() if count >= _TWIN_SHARE * min(sizes[name] for name in pair)
    }


def _first(chunk: Chunk, others: Sequence[Chunk], twins: set[frozenset[str]]) -> Chunk | None:
    """Return the first chunk of the same text that may stand for this one, those of the same article before others."""
    label = chunk.cluster.rpartition("#")[2]
    for other in sorted(others, key=lambda o: o.cluster.rpartition("#")[2] != label):
        same_date = chunk.as_of is None or other.as_of is None or chunk.as_of == other.as_of
        same_place = (
            other.cluster == chunk.cluster or frozenset((chunk.document_name, other.document_name)) in twins
        )
        if other.document_name != chunk.document_name and same_date and same_place:
            return other
    return None


def _letters(text: str) -> str:
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in folded if character.isalnum())


def _alike(first: str, second: str) -> bool:
    numbers = [Counter(character for character in text if character in _NUMERALS) for text in (first, second)]
    if numbers[0] != numbers[1] or min(len(first), len(second)) < _MIN_LETTERS:
        return False
    grams = [Counter(text[i : i + _GRAM] for i in range(len(text) - _GRAM + 1)) for text in (first, second)]
    shared = (grams[0] & grams[1]).total()
    return shared >= _LIKE_FROM_OCR * max(grams[0].total(), grams[1].total())
