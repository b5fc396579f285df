"""The index: its name, what is computed anew, what is found, what is refused, many readers at once."""

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from counting_embedder import CountingEmbedder
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.onboard.cache import OnboardCache
from staffroom.onboard.chunks import chunk_document
from staffroom.onboard.index import build_index, index_digest, passages_of
from staffroom.onboard.retrieval import IndexRetriever, fuse
from staffroom.records.digests import digest_bytes
from staffroom.records.documents import Block, BlockKind, Chunk, ExtractedText, ReadDocument, SourceDocument
from staffroom.records.errors import StaffroomError

PAGES = {
    "圖書館.md": ["圖書館借閱規則", "每人最多借十冊，借期二十一日。", "遺失圖書者，應賠償同一版本。"],
    "停車.md": ["停車場管理", "小型車每小時收費三十元。", "身心障礙者免費四小時。"],
    "market.txt": ["", "The market opens at 7 on Friday.", 'Stalls cost "40" crowns; see form A-12.'],
}


def document(name: str, parts: list[str]) -> ReadDocument:
    """A document with one heading (left out where empty) and paragraphs."""
    title, *paragraphs = parts
    text, blocks = "", []
    if title:
        blocks.append(Block(BlockKind.HEADING, 1, title, None, 0, len(title)))
        text = title
    for paragraph in paragraphs:
        text += "\n" if text else ""
        blocks.append(Block(BlockKind.PARAGRAPH, 0, paragraph, None, len(text), len(text) + len(paragraph)))
        text += paragraph
    digest = digest_bytes(text.encode())
    source = SourceDocument(Path(name), name, digest, "text/markdown", "2026-03-01", len(text))
    return ReadDocument(source, ExtractedText(digest, text, tuple(blocks), 0, "test 1"))


def documents() -> list[ReadDocument]:
    return [document(name, parts) for name, parts in PAGES.items()]


def chunks_of(read: list[ReadDocument]) -> list[Chunk]:
    return [chunk for item in read for chunk in chunk_document(item)]


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[OnboardCache]:
    kept = OnboardCache(tmp_path / "cache.sqlite")
    yield kept
    kept.close()


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def retriever(tmp_path: Path, cache: OnboardCache, embedder: CountingEmbedder) -> Iterator[IndexRetriever]:
    read = documents()
    summary = build_index(read, chunks_of(read), embedder, tmp_path / "index", cache)
    opened = IndexRetriever(summary.path, embedder)
    yield opened
    opened.close()


def test_one_changed_file_embeds_its_own_chunks_only(
    tmp_path: Path, cache: OnboardCache, embedder: CountingEmbedder
) -> None:
    read = documents()
    first = build_index(read, chunks_of(read), embedder, tmp_path, cache)
    assert first.embedded == len(set(embedder.passages)) == len(embedder.passages)
    embedder.passages.clear()
    again = build_index(read, chunks_of(read), embedder, tmp_path, cache)
    assert (again.digest, again.embedded, embedder.passages) == (first.digest, 0, [])
    read[1] = document("停車.md", ["停車場管理", "小型車每小時收費五十元。"])
    changed = build_index(read, chunks_of(read), embedder, tmp_path, cache)
    assert changed.digest != first.digest
    assert embedder.passages and all("五十元" in text for text in embedder.passages)


def test_the_name_depends_on_everything_that_can_be_quoted() -> None:
    read = documents()
    chunks = chunks_of(read)
    name = index_digest(read, chunks, "e")
    assert index_digest(documents(), chunks_of(documents()), "e") == name
    assert index_digest(read, chunks, "f") != name
    assert index_digest(read[:2], chunks, "e") != name
    assert index_digest(read, chunks[:-1], "e") != name
    assert index_digest(read, [replace(chunks[0], text="x"), *chunks[1:]], "e") != name
    assert index_digest(read, [replace(chunks[0], start=7), *chunks[1:]], "e") != name
    dated = replace(read[0], source=replace(read[0].source, as_of="2020-01-01"))
    assert index_digest([dated, *read[1:]], chunks, "e") != name
    other = replace(read[0], extracted=replace(read[0].extracted, text="x"))
    assert index_digest([other, *read[1:]], chunks, "e") != name


def test_a_killed_build_leaves_no_index(
    tmp_path: Path, cache: OnboardCache, embedder: CountingEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = documents()

    def power_cut(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", power_cut)
        with pytest.raises(KeyboardInterrupt):
            build_index(read, chunks_of(read), embedder, tmp_path / "index", cache)
    assert list((tmp_path / "index").iterdir()) == []
    assert build_index(read, chunks_of(read), embedder, tmp_path / "index", cache).path.exists()


def test_two_characters_are_found(retriever: IndexRetriever) -> None:
    found = retriever.search("停車", 3)
    assert found[0].document_name == "停車.md" and found[0].lexical_rank == 1
    assert retriever.search("遺失", 1)[0].document_name == "圖書館.md"
    assert retriever.search("A-12", 1)[0].document_name == "market.txt"


@pytest.mark.parametrize(
    "question",
    ["", " ", "？！。", '"', '"" OR *', "a NOT b", "停車 AND", "NEAR(停車 收費, 2)", "head:停車", "停車*", "^停車",
     "🚗", "圖🚗書館", "a\0b", "\ud800停車", "(((", "--; DROP TABLE chunks", "'", "𠮷野家", "é", "ﬁ", "Ａ１２",
     "停車場" * 2000, "x" * 20_000],
)  # fmt: skip
def test_any_question_is_answered_with_places(retriever: IndexRetriever, question: str) -> None:
    found = retriever.search(question, 5)
    assert 0 < len(found) <= 5
    assert [item.chunk_id for item in retriever.search(question, 5)] == [item.chunk_id for item in found]
    for item in found:
        opened = retriever.document(item.document_digest)
        assert opened is not None and opened.text[item.start : item.end] == item.text


@given(st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_no_text_breaks_the_search(shared_retriever: IndexRetriever, question: str) -> None:
    assert len(shared_retriever.search(question, 2)) == 2


@pytest.fixture(scope="module")
def shared_retriever(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IndexRetriever]:
    folder = tmp_path_factory.mktemp("shared")
    kept, embedder, read = OnboardCache(folder / "cache.sqlite"), CountingEmbedder(), documents()
    opened = IndexRetriever(build_index(read, chunks_of(read), embedder, folder, kept).path, embedder)
    yield opened
    opened.close()
    kept.close()


def test_many_readers_get_what_one_gets(retriever: IndexRetriever) -> None:
    questions = ["停車 收費", "借期", "market", "form A-12"] * 5
    alone = {question: [item.chunk_id for item in retriever.search(question, 3)] for question in questions}
    wrong: list[str] = []

    def read(question: str) -> None:
        for _ in range(5):
            if [item.chunk_id for item in retriever.search(question, 3)] != alone[question]:
                wrong.append(question)

    threads = [threading.Thread(target=read, args=(question,)) for question in questions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_index_of_nothing_finds_nothing(
    tmp_path: Path, cache: OnboardCache, embedder: CountingEmbedder
) -> None:
    summary = build_index([], [], embedder, tmp_path, cache)
    opened = IndexRetriever(summary.path, embedder)
    assert opened.search("停車", 5) == [] and opened.search("", 5) == [] and opened.chunks() == []
    assert opened.arms("停車", 5) == {"lexical": [], "dense": [], "passages": []}
    opened.close()


def test_a_folder_with_marks_of_an_address_in_its_name_is_read(
    tmp_path: Path, cache: OnboardCache, embedder: CountingEmbedder
) -> None:
    read = documents()
    summary = build_index(read, chunks_of(read), embedder, tmp_path / "50%20 #1?mode=rwc", cache)
    opened = IndexRetriever(summary.path, embedder)
    assert opened.search("停車", 1)
    opened.close()


def damage(path: Path, way: str) -> None:
    if way == "gone":
        path.unlink()
    elif way == "no database":
        path.write_bytes(b"nothing of the kind" * 100)
    elif way == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif way == "empty":
        path.write_bytes(b"")
    else:
        database = sqlite3.connect(path)
        database.execute(way)
        database.commit()
        database.close()


@pytest.mark.parametrize(
    "way",
    ["gone", "no database", "cut", "empty", "DELETE FROM meta", "UPDATE meta SET value = 'x' WHERE key = 'dimensions'",
     "UPDATE chunks SET vector = x'0102'", "UPDATE chunks SET json = json || ' '", "UPDATE documents SET name = 'x'"],
)  # fmt: skip
def test_a_damaged_index_is_refused_with_a_hint(
    tmp_path: Path, cache: OnboardCache, embedder: CountingEmbedder, way: str
) -> None:
    read = documents()
    path = build_index(read, chunks_of(read), embedder, tmp_path / "index", cache).path
    damage(path, way)
    with pytest.raises(StaffroomError, match="hint: remove the file"):
        IndexRetriever(path, embedder)


def test_another_embedder_is_refused(retriever: IndexRetriever, tmp_path: Path) -> None:
    (path,) = (tmp_path / "index").glob("*.sqlite")
    with pytest.raises(StaffroomError, match="another embedder"):
        IndexRetriever(path, CountingEmbedder("another"))


def test_a_damaged_cache_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "cache.sqlite"
    path.write_bytes(b"this is no database" * 500)
    kept = OnboardCache(path)
    kept.put_reading("k", b"v")
    assert kept.reading("k") == b"v" and kept.missing_vectors("e", ["a"]) == ["a"]
    with pytest.raises(KeyError):
        kept.vectors("e", ["a"])
    kept.close()


@given(st.text(alphabet="甲乙丙。\n ", max_size=400))
@settings(max_examples=60, deadline=None)
def test_passages_hold_every_line_once(text: str) -> None:
    (chunk,) = chunk_document(document("x.md", ["", "甲"]))
    passages = passages_of(replace(chunk, text=text))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    assert "\n".join(passage for _, passage in passages).split("\n") == (lines or [""])
    assert all(len(passage) >= 60 for _, passage in passages[:-1])
    for start, passage in passages:
        assert text[start:].lstrip().startswith(passage.split("\n")[0])


cosines = st.dictionaries(st.integers(1, 30), st.floats(-1, 1), max_size=20)
covered = st.dictionaries(st.integers(1, 30), st.floats(0, 2), max_size=20)


@given(cosines, covered)
@settings(max_examples=100, deadline=None)
def test_fusing_ranks_each_once_by_score_and_number(
    similar: dict[int, float], coverage: dict[int, float]
) -> None:
    fused = fuse(similar, coverage)
    assert sorted(number for number, _ in fused) == sorted(similar)
    assert fused == sorted(fused, key=lambda entry: (-entry[1], entry[0]))
    assert fuse(dict(reversed(similar.items())), coverage) == fused
    for number, score in fused:
        assert score >= similar[number] and (score > similar[number]) <= (number in coverage)


@given(st.lists(st.integers(1, 50), unique=True, min_size=1))
@settings(max_examples=30, deadline=None)
def test_where_one_arm_tells_nothing_the_other_orders(ranked: list[int]) -> None:
    scores = {number: 1.0 - place / 100 for place, number in enumerate(ranked)}
    alike = dict.fromkeys(sorted(ranked), 0.8)
    assert [number for number, _ in fuse(scores, {})] == ranked
    assert [number for number, _ in fuse(scores, alike)] == ranked
    assert [number for number, _ in fuse(dict.fromkeys(scores, 0.8), scores)] == ranked


def test_the_arm_leads_that_is_sure() -> None:
    close = {1: 0.86, 2: 0.83}
    assert fuse(close, {1: 0.05, 2: 0.10})[0][0] == 1
    assert fuse(close, {1: 0.10, 2: 0.60})[0][0] == 2


def test_many_equal_chunks_are_found_in_the_order_of_the_index(
    tmp_path: Path, cache: OnboardCache, embedder: CountingEmbedder
) -> None:
    read = [document("x.md", ["停車", "小型車每小時收費三十元。"])]
    (one,) = chunks_of(read)
    many = [replace(one, id=f"c{number:03}") for number in range(250)]
    opened = IndexRetriever(build_index(read, many, embedder, tmp_path, cache).path, embedder)
    found = opened.search("停車收費", 120)
    named = {arm: ids[:3] for arm, ids in opened.arms("停車收費", 3).items()}
    opened.close()
    assert [item.chunk_id for item in found[:3]] == ["c000", "c001", "c002"]
    assert [item.chunk_id for item in found] == [f"c{number:03}" for number in range(100)]
    assert [(item.lexical_rank, item.dense_rank) for item in found[:2]] == [(1, 1), (2, 2)]
    assert set(map(tuple, named.values())) == {("c000", "c001", "c002")}


def test_closeness_is_the_cosine_with_each_text(retriever: IndexRetriever) -> None:
    assert retriever.closeness("停車收費", []) == []
    found = retriever.closeness("停車收費\ud800", ["停車收費", "圖書館借書"])
    assert len(found) == 2 and all(-1.001 <= cosine <= 1.001 for cosine in found)


def test_chosen_chunks_come_in_the_order_asked_as_a_search_shows_them(retriever: IndexRetriever) -> None:
    question = "How long may a book be kept?"
    found = {item.chunk_id: item for item in retriever.search(question, 100)}
    names = [chunk.id for chunk in retriever.chunks()][::-1]
    assert [item.chunk_id for item in retriever.chosen(question, [*names, "no such chunk"])] == names
    assert all(item == found[item.chunk_id] for item in retriever.chosen(question, names))
    assert retriever.chosen(question, []) == []


def test_embedding_a_question_does_not_keep_other_readers_waiting(
    retriever: IndexRetriever, embedder: CountingEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (source,) = [item for item in documents() if item.source.name == "停車.md"]
    seen: list[bool] = []
    embed = CountingEmbedder.embed_query

    def slow(self: CountingEmbedder, text: str) -> object:
        reader = threading.Thread(
            target=lambda: seen.append(retriever.document(source.source.digest) is not None)
        )
        reader.start()
        reader.join(timeout=5)
        return embed(self, text)

    monkeypatch.setattr(CountingEmbedder, "embed_query", slow)
    assert retriever.search("停車", 1) and seen == [True]
