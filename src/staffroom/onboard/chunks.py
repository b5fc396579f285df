"""Cut extracted text into chunks along its structure, and find the same chunk in several files.

A chunk is a stretch of the extracted text itself, so that each citation opens at its place. Length is measured in
Chinese characters; a Latin character counts as 0.36 of one, so 500 are about 1,400 Latin characters.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from staffroom.onboard.readers.pieces import is_cjk
from staffroom.onboard.readers.statutes import division_of
from staffroom.records.digests import digest_value
from staffroom.records.documents import Block, BlockKind, Chunk, ReadDocument

__all__ = ["ChunkSizes", "chunk_document", "text_weight"]

_LATIN_WEIGHT = 0.36
_SENTENCE_END = re.compile(r"[。！？!?；;][」』）)\"'”’]*\s*|\n+|(?<=[.])\s+(?=[A-Z0-9「])")
_CLAUSE_END = re.compile(r"[，、,：:]\s*|\s+")


@dataclass(frozen=True, slots=True)
class ChunkSizes:
    """Lengths in Chinese characters: cut above `high`, fill up to it, join what is below `tiny` with a neighbour."""

    high: int = 500
    tiny: int = 80


@dataclass(frozen=True, slots=True)
class _Heading:
    text: str
    level: int
    rank: int
    block: Block


@dataclass(frozen=True, slots=True)
class _Section:
    """The blocks below one heading path, up to the next heading."""

    path: tuple[_Heading, ...]
    blocks: tuple[Block, ...]

    @property
    def is_article(self) -> bool:
        return any(
            (found := division_of(heading.text)) is not None and found.is_article for heading in self.path
        )

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(heading.text for heading in self.path)


def chunk_document(document: ReadDocument, sizes: ChunkSizes | None = None) -> tuple[Chunk, ...]:
    """Cut a document into chunks in reading order; together they hold every block that is not a heading.

    1. Sections: the blocks below each heading; a heading with nothing below stands for itself.
    2. Neighbouring tiny sections below the same heading are joined, articles never.
    3. A section that is too long is cut between blocks, else at 。！？；, else at commas, without overlap.
    """
    sizes = sizes or ChunkSizes()
    text = document.extracted.text
    chunks: list[Chunk] = []
    ordinals: dict[tuple[str, ...], int] = {}
    for section in _joined(_sections(document.extracted.blocks, _is_slides(document)), text, sizes):
        for start, end, page in _cuts(section, text, sizes):
            path = section.names
            ordinal = ordinals[path] = ordinals.get(path, 0) + 1
            chunks.append(_chunk(document, section, text[start:end], (start, end), page, ordinal))
    return tuple(chunks)


def text_weight(text: str) -> float:
    """Return the length of a text in Chinese characters."""
    wide = sum(map(is_cjk, text))
    return wide + (len(text) - wide) * _LATIN_WEIGHT


def _chunk(
    document: ReadDocument,
    section: _Section,
    text: str,
    place: tuple[int, int],
    page: int | None,
    ordinal: int,
) -> Chunk:
    name, path = document.source.name, section.names
    identity = {"document": name, "path": list(path), "ordinal": ordinal, "text": text}
    return Chunk(
        id=digest_value(identity),
        document_digest=document.source.digest,
        document_name=name,
        heading_path=path,
        text=text,
        page=page,
        start=place[0],
        end=place[1],
        as_of=document.source.as_of,
        cluster=_cluster(document, section, page),
    )


def _cluster(document: ReadDocument, section: _Section, page: int | None) -> str:
    """Name the article, section or page; the title stands for the file, so that twins in other formats share it."""
    title = next(
        (b.text for b in document.extracted.blocks if b.kind is BlockKind.HEADING and b.level == 1), ""
    )
    title = "".join(title.split()) or document.source.name.rsplit(".", 1)[0]
    for heading in reversed(section.path):
        division = division_of(heading.text)
        if division is not None and division.is_article:
            return f"{title}#{division.label}"
    inner = [heading.text for heading in section.path if "".join(heading.text.split()) != title]
    if inner:
        return f"{title}#{'/'.join(inner)}"
    return f"{title}#page {page}" if page is not None else title


def _is_slides(document: ReadDocument) -> bool:
    return document.source.media_type.endswith("presentation")


def _sections(blocks: Sequence[Block], slides: bool) -> list[_Section]:
    """Group blocks below headings; a slide without a title is a section of its own, below the document's title."""
    sections: list[_Section] = []
    path: list[_Heading] = []
    body: list[Block] = []
    for place, block in enumerate(blocks):
        if body and (block.kind is BlockKind.HEADING or (slides and block.page != body[-1].page)):
            sections.append(_Section(tuple(path), tuple(body)))
            body = []
        if block.kind is not BlockKind.HEADING:
            if slides and path and path[-1].block.page != block.page:
                path = [heading for heading in path if heading.level == 1]
            body.append(block)
            continue
        heading = _heading(block)
        path = [*_kept(path, heading), heading]
        if not _leads(path, blocks[place + 1 :][:1]):
            sections.append(_Section(tuple(path[:-1]), (block,)))
    if body:
        sections.append(_Section(tuple(path), tuple(body)))
    return sections


def _heading(block: Block) -> _Heading:
    division = division_of(block.text)
    return _Heading(block.text, block.level, division.rank if division else 0, block)


def _kept(path: Sequence[_Heading], heading: _Heading) -> list[_Heading]:
    """Keep the headings that the new one stands below: by rank between a statute's own headings, else by level."""
    kept: list[_Heading] = []
    for outer in path:
        both = outer.rank and heading.rank
        if (outer.rank >= heading.rank) if both else (outer.level >= heading.level):
            break
        kept.append(outer)
    return kept


def _leads(path: Sequence[_Heading], following: Sequence[Block]) -> bool:
    """Say whether text, or a heading below the last of the path, follows."""
    if not following or following[0].kind is not BlockKind.HEADING:
        return bool(following)
    return len(_kept(path, _heading(following[0]))) == len(path)


def _joined(sections: Sequence[_Section], text: str, sizes: ChunkSizes) -> Iterator[_Section]:
    """Join runs of tiny sections with the same parent; the joined section holds their last headings as blocks."""
    run: list[_Section] = []
    for section in sections:
        if run and not _may_join(run, section, text, sizes):
            yield _merged(run)
            run = []
        run.append(section)
    if run:
        yield _merged(run)


def _may_join(run: Sequence[_Section], section: _Section, text: str, sizes: ChunkSizes) -> bool:
    first = run[0]
    if not first.path or not section.path or first.is_article or section.is_article:
        return False
    if BlockKind.HEADING in (first.blocks[0].kind, section.blocks[0].kind):
        return False
    if len(first.path) < 2 or first.path[:-1] != section.path[:-1] or first.path[-1] == section.path[-1]:
        return False
    if section.path[-1].block.page != first.path[-1].block.page:
        return False
    lengths = [_length(part, text) for part in (*run, section)]
    return lengths[-1] <= sizes.tiny and lengths[-2] <= sizes.tiny and sum(lengths) <= sizes.high * 0.6


def _length(section: _Section, text: str) -> float:
    return text_weight(text[section.blocks[0].start : section.blocks[-1].end])


def _merged(run: Sequence[_Section]) -> _Section:
    if len(run) == 1:
        return run[0]
    blocks: list[Block] = []
    for section in run:
        blocks += [section.path[-1].block, *section.blocks]
    return _Section(run[0].path[:-1], tuple(blocks))


def _cuts(section: _Section, text: str, sizes: ChunkSizes) -> Iterator[tuple[int, int, int | None]]:
    """Yield start, end and page of each chunk of a section, of about equal length and at most `high`."""
    spans = [
        (start, end, block.page)
        for block in section.blocks
        for start, end in _parts(text, block.start, block.end, sizes.high)
    ]
    weights = [text_weight(text[start:end]) for start, end, _ in spans]
    left = sum(weights)
    target = left / _count(left, sizes.high)
    begin, filled = 0, 0.0
    for place, weight in enumerate(weights):
        over = filled + weight > sizes.high
        nearer_without = left > sizes.high and filled + weight / 2 > target
        if place > begin and (over or nearer_without):
            yield spans[begin][0], spans[place - 1][1], spans[begin][2]
            left -= filled
            target = left / _count(left, sizes.high)
            begin, filled = place, 0.0
        filled += weight
    yield spans[begin][0], spans[-1][1], spans[begin][2]


def _count(weight: float, high: int) -> int:
    return max(1, -(-int(weight) // high))


def _parts(text: str, start: int, end: int, high: int) -> list[tuple[int, int]]:
    """Cut a stretch at sentence ends, then at commas, then anywhere, only as far as needed."""
    if text_weight(text[start:end]) <= high:
        return [(start, end)]
    for pattern in (_SENTENCE_END, _CLAUSE_END):
        ends = [match.end() for match in pattern.finditer(text, start, end) if start < match.end() < end]
        if ends:
            places = [start, *ends, end]
            pieces = [
                part for first, last in itertools.pairwise(places) for part in _parts(text, first, last, high)
            ]
            return _packed(text, pieces, high)
    middle = (start + end) // 2
    return [*_parts(text, start, middle, high), *_parts(text, middle, end, high)]


def _packed(text: str, pieces: Sequence[tuple[int, int]], high: int) -> list[tuple[int, int]]:
    """Put neighbouring sentences together up to a quarter of the limit, so that cuts can be even."""
    packed: list[tuple[int, int]] = []
    for start, end in pieces:
        if packed and text_weight(text[packed[-1][0] : end]) <= high / 4:
            packed[-1] = (packed[-1][0], end)
        else:
            packed.append((start, end))
    return packed
