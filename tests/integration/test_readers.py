"""Real statutes as DOCX, HTML, PDF and scan give the text of their Markdown twins; figures are printed with -rP."""

import difflib
import socket
from pathlib import Path

import pytest

from staffroom.engine.ocr import OcrDriver, ocr_available
from staffroom.onboard.chunks import chunk_document, text_weight
from staffroom.onboard.documents import read_documents
from staffroom.onboard.duplicates import find_duplicates
from staffroom.records.documents import BlockKind, Chunk, ReadDocument

DATA = Path(__file__).parents[3] / "shared" / "data" / "tw-law"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"acceptance data absent: {DATA}")
TWINS = {
    "消費者保護法.docx": "消費者保護法.md",
    "戶籍法.html": "戶籍法.md",
    "政府資訊公開法.pdf": "政府資訊公開法.md",
}
SCAN, SCAN_TWIN = "個人資料保護法-掃描.pdf", "個人資料保護法.md"
SCAN_ENDS = "但有下列情形之一者，不在此限："


@pytest.fixture(scope="module")
def documents() -> dict[str, ReadDocument]:
    files = [path for path in sorted((DATA / "formats").iterdir()) if path.name != SCAN]
    read, skipped = read_documents([DATA / "documents", *files], allow_skip=False)
    assert skipped == ()
    return {document.source.name: document for document in read}


def recall(wanted: str, found: str) -> float:
    wanted, found = "".join(wanted.split()), "".join(found.split())
    matcher = difflib.SequenceMatcher(None, wanted, found, autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks()) / len(wanted)


def articles(document: ReadDocument) -> dict[str, str]:
    found: dict[str, str] = {}
    for chunk in chunk_document(document):
        if chunk.cluster.endswith("條"):
            found[chunk.cluster] = found.get(chunk.cluster, "") + "".join(chunk.text.split())
    return found


@pytest.mark.parametrize(("name", "twin"), TWINS.items())
def test_other_formats_give_the_text_and_articles_of_their_twins(
    documents: dict[str, ReadDocument], name: str, twin: str
) -> None:
    share = recall(documents[twin].extracted.text, documents[name].extracted.text)
    wanted, found = articles(documents[twin]), articles(documents[name])
    same = sum(found.get(label, "").startswith(text) for label, text in wanted.items())
    print(f"{name}: character recall {share:.4f}, articles {len(found)} of {len(wanted)}, identical {same}")
    assert share >= 0.95
    assert set(found) == set(wanted)
    assert same >= 0.95 * len(wanted)


def test_navigation_is_gone_and_the_table_is_kept(documents: dict[str, ReadDocument]) -> None:
    page = documents["戶籍法.html"].extracted.text
    for word in ("網站導覽", "法規類別", "本網頁僅供參考", "tracking"):
        assert word not in page
    rows = [b.text for b in documents["消費者保護法.docx"].extracted.blocks if b.kind is BlockKind.TABLE_ROW]
    assert rows == ["項目：中央；主管機關：行政院", "項目：直轄市；主管機關：直轄市政府"]


def test_pages_dates_and_sizes(documents: dict[str, ReadDocument]) -> None:
    pdf = documents["政府資訊公開法.pdf"]
    assert pdf.source.as_of == "2005-12-28"
    pages = {chunk.cluster.rpartition("#")[2]: chunk.page for chunk in chunk_document(pdf)}
    assert (pages["第1條"], pages["第13條"], pages["第24條"]) == (1, 4, 6)
    every = [chunk for document in documents.values() for chunk in chunk_document(document)]
    assert max(text_weight(chunk.text) for chunk in every) <= 500
    assert all(chunk.as_of for chunk in every)
    assert len({chunk.id for chunk in every}) == len(every)


def test_twins_are_shown_once_from_markdown(documents: dict[str, ReadDocument]) -> None:
    read = list(documents.values())
    chunks = [chunk for document in read for chunk in chunk_document(document)]
    by_id: dict[str, Chunk] = {chunk.id: chunk for chunk in chunks}
    twins = find_duplicates(read, chunks)
    repeated = [chunk for chunk in chunks if chunk.document_name in TWINS]
    share = sum(chunk.id in twins for chunk in repeated) / len(repeated)
    print(f"twin chunks collapsed: {share:.3f} of {len(repeated)}")
    assert share >= 0.95
    assert all(by_id[kept].document_name.endswith(".md") for kept in twins.values())
    pairs = [(by_id[a].cluster, by_id[b].cluster) for a, b in twins.items()]
    assert all(a == b for a, b in pairs if a.endswith("條") or b.endswith("條"))
    assert all(a.partition("#")[0] == b.partition("#")[0] for a, b in pairs)


def test_scan_is_read_by_ocr_without_network(
    documents: dict[str, ReadDocument], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ocr_available(), "the extra is part of the development environment: make test"
    read, _ = read_documents([DATA / "formats" / SCAN], allow_skip=False)
    (scan,) = read
    twin = documents[SCAN_TWIN].extracted.text
    wanted = twin[: twin.index(SCAN_ENDS) + len(SCAN_ENDS)]
    share = recall(wanted, scan.extracted.text)
    labels = set(articles(scan))
    print(f"{SCAN}: character recall {share:.4f}, articles {len(labels)} of 7")
    assert share >= 0.95
    assert labels == {f"個人資料保護法#第{n}條" for n in ("1", "1-1", "2", "3", "4", "5", "6")}
    assert scan.extracted.pages == 2 and "OCR" in scan.extracted.warnings[0]

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("OCR reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    OcrDriver()
