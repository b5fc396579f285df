"""Chunks follow structure, stand at their place, and lose nothing; twins in other formats are found."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from reader_samples import docx_bytes, odt_bytes, pptx_bytes, read_document, xlsx_bytes

from staffroom.onboard.chunks import ChunkSizes, chunk_document, text_weight
from staffroom.onboard.duplicates import find_duplicates
from staffroom.onboard.readers.pieces import Piece, Reading, assemble
from staffroom.records.documents import BadDocument, BlockKind, Chunk, ReadDocument, SourceDocument

LAW = "# 場地法\n\n最新異動日期 20200101\n\n## 第 一 章 總則\n\n## 第 一 節 通則\n\n### 第1條\n\n本法依法訂定之規定如下。\n\n### 第2條\n\n場地借用費每日五百元整。\n"

words = st.text(alphabet="甲乙丙丁戊己庚辛壬癸，。；! .ab", min_size=1, max_size=400)
pieces = st.lists(
    st.one_of(
        st.builds(
            Piece,
            st.just(BlockKind.HEADING),
            st.sampled_from(["總則", "第1條", "第 二 章 費用", "附表"]),
            st.integers(1, 4),
        ),
        st.builds(
            Piece, st.sampled_from([BlockKind.PARAGRAPH, BlockKind.LIST_ITEM, BlockKind.TABLE_ROW]), words
        ),
    ),
    min_size=1,
    max_size=14,
)


def of(name: str, *parts: Piece, media_type: str = "text/markdown") -> ReadDocument:
    extracted = assemble(Reading(parts, "test 1"), "sha256:" + name, 10**6)
    return ReadDocument(
        SourceDocument(Path(name), name, extracted.document_digest, media_type, None, 1), extracted
    )


@settings(max_examples=120, deadline=None)
@given(pieces)
def test_chunks_stand_at_their_place_and_hold_everything_once(parts: list[Piece]) -> None:
    try:
        document = of("a.md", *parts)
    except BadDocument:
        return
    text = document.extracted.text
    chunks = chunk_document(document)
    sizes = ChunkSizes()
    last = 0
    covered = [False] * len(text)
    for chunk in chunks:
        assert chunk.text == text[chunk.start : chunk.end] != ""
        assert chunk.start >= last
        last = chunk.end
        covered[chunk.start : chunk.end] = [True] * (chunk.end - chunk.start)
        assert text_weight("".join(chunk.text.split())) <= sizes.high
    shown = {heading for chunk in chunks for heading in chunk.heading_path}
    for block in document.extracted.blocks:
        inside = all(covered[i] or text[i].isspace() for i in range(block.start, block.end))
        assert inside or (block.kind is BlockKind.HEADING and block.text in shown)
    assert len({chunk.id for chunk in chunks}) == len(chunks)
    assert chunks == chunk_document(document)


def test_one_article_is_one_chunk_below_its_headings() -> None:
    chunks = chunk_document(read_document(LAW.encode(), "場地法.md", "2020-01-01"))
    articles = [chunk for chunk in chunks if "條" in chunk.cluster]
    assert [chunk.heading_path for chunk in articles] == [
        ("場地法", "第 一 章 總則", "第 一 節 通則", "第1條"),
        ("場地法", "第 一 章 總則", "第 一 節 通則", "第2條"),
    ]
    assert [chunk.cluster for chunk in articles] == ["場地法#第1條", "場地法#第2條"]
    assert {chunk.as_of for chunk in chunks} == {"2020-01-01"}


def test_a_long_article_is_cut_at_sentence_ends_below_the_same_heading() -> None:
    sentence = "借用人應於使用完畢後回復原狀，並經管理人員檢查確認無誤。"
    document = read_document(f"# 法\n\n### 第1條\n\n{sentence * 40}\n".encode(), "a.md")
    chunks = [chunk for chunk in chunk_document(document) if chunk.cluster == "法#第1條"]
    assert len(chunks) >= 3
    assert all(chunk.text.endswith("。") and text_weight(chunk.text) <= 500 for chunk in chunks)
    assert {chunk.heading_path for chunk in chunks} == {("法", "第1條")}
    assert min(text_weight(chunk.text) for chunk in chunks) > 250


def test_tiny_siblings_are_joined_and_their_headings_kept() -> None:
    document = read_document("# 須知\n\n## 電話\n\n02-1234。\n\n## 地址\n\n中山路一號。\n".encode(), "a.md")
    (chunk,) = chunk_document(document)
    assert chunk.heading_path == ("須知",)
    assert "電話" in chunk.text and "地址" in chunk.text


def test_an_id_survives_changes_elsewhere_and_not_its_own() -> None:
    def ids(text: str) -> dict[str, str]:
        return {c.cluster: c.id for c in chunk_document(read_document(text.encode(), "場地法.md"))}

    before, after = ids(LAW), ids(LAW.replace("如下", "詳如下列各款"))
    assert before["場地法#第2條"] == after["場地法#第2條"]
    assert before["場地法#第1條"] != after["場地法#第1條"]


def test_latin_text_is_measured_as_such() -> None:
    sentence = "Residents may borrow the hall if they ask seven days before. "
    chunks = chunk_document(read_document(f"# Hall\n\n{sentence * 60}".encode(), "hall.md"))
    assert all(900 <= len(chunk.text) <= 1400 for chunk in chunks)


def test_slides_do_not_run_into_each_other() -> None:
    chunks = chunk_document(read_document(pptx_bytes(), "a.pptx"))
    assert [(chunk.page, chunk.heading_path) for chunk in chunks] == [(1, ("開放時間",)), (2, ())]
    assert chunk_document(read_document(xlsx_bytes(), "a.xlsx"))[0].heading_path == ("規費",)


def test_twins_in_other_formats_point_to_the_cleanest() -> None:
    html = LAW.replace("\n\n", "\n")
    page = "".join(
        f"<h{len(mark)}>{rest}</h{len(mark)}>" if mark.strip("#") == "" and mark else f"<p>{line}</p>"
        for line in html.splitlines()
        for mark, _, rest in [line.partition(" ")]
    )
    documents = [
        read_document(f"<html><body><main>{page}".encode(), "b.html"),
        read_document(LAW.encode(), "a.md"),
        read_document(LAW.replace("五百", "六百").encode(), "c.md"),
    ]
    chunks = [chunk for document in documents for chunk in chunk_document(document)]
    twins = find_duplicates(documents, chunks)
    by_id: dict[str, Chunk] = {chunk.id: chunk for chunk in chunks}
    assert {by_id[k].document_name for k in twins} == {"b.html", "c.md"}
    assert {by_id[v].document_name for v in twins.values()} == {"a.md"}
    changed = next(c for c in chunks if c.document_name == "c.md" and c.cluster.endswith("第2條"))
    assert changed.id not in twins


def test_a_sentence_that_two_by_laws_share_is_cited_as_each_ones_own() -> None:
    other = (
        LAW.replace("場地法", "規費法").replace("每日五百元整", "依附表繳納").replace("依法訂定", "另行訂定")
    )
    shared = "\n\n### 第3條\n\n本法自公布日施行。\n"
    documents = [
        read_document((law + shared).encode(), name) for law, name in ((LAW, "a.md"), (other, "b.md"))
    ]
    chunks = [chunk for document in documents for chunk in chunk_document(document)]
    assert find_duplicates(documents, chunks) == {}


def test_versions_with_other_dates_are_both_kept() -> None:
    documents = [
        read_document(LAW.encode(), "a.md", "2015-01-01"),
        read_document(LAW.encode(), "b.md", "2020-01-01"),
    ]
    chunks = [chunk for document in documents for chunk in chunk_document(document)]
    assert find_duplicates(documents, chunks) == {}


def test_ocr_twin_needs_the_same_numbers() -> None:
    clean = of(
        "a.md",
        Piece(BlockKind.HEADING, "法", 1),
        Piece(BlockKind.HEADING, "第1條", 3),
        Piece(BlockKind.PARAGRAPH, "公務機關受理申請應於十五日內為准駁之決定必要時得予延長。"),
    )
    for text, found in (
        ("公務機關受理申請應於十五日內為准馭之決定必要時得予延長。", 1),
        ("公務機關受理申請應於三十日內為准駁之決定必要時得予延長。", 0),
    ):
        scan = of(
            "b.pdf",
            Piece(BlockKind.HEADING, "法", 1),
            Piece(BlockKind.HEADING, "第1條", 3),
            Piece(BlockKind.PARAGRAPH, text),
            media_type="application/pdf",
        )
        scanned = ReadDocument(
            scan.source,
            type(scan.extracted)(
                scan.extracted.document_digest,
                scan.extracted.text,
                scan.extracted.blocks,
                1,
                "pypdfium2 5 + rapidocr 3",
            ),
        )
        chunks = [*chunk_document(clean), *chunk_document(scanned)]
        assert len(find_duplicates([scanned, clean], chunks)) == found


def test_tables_and_lists_of_every_sample_end_up_in_chunks() -> None:
    for data, name in ((docx_bytes(), "a.docx"), (odt_bytes(), "a.odt")):
        document = read_document(data, name)
        joined = "\n".join(chunk.text for chunk in chunk_document(document))
        assert "項目：戶籍謄本；規費：15元" in joined
