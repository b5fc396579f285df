"""Bad documents are named with a reason; nothing crashes, hangs or eats the machine."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reader_samples import (
    docx_bytes,
    odt_bytes,
    pdf_bytes,
    pptx_bytes,
    repacked,
    xlsx_bytes,
    zip_bytes,
)

from staffroom.onboard.documents import read_documents
from staffroom.onboard.readers import ReaderProcess, ReadLimits, read_bytes
from staffroom.records.documents import BadDocument, BadReason

OLE = bytes.fromhex("D0CF11E0A1B11AE1")
PNG = bytes.fromhex("89504E470D0A1A0A") + b"\x00" * 40
# An owner- and user-password PDF needs only its encryption dictionary to be refused.
ENCRYPTED_PDF = pdf_bytes([[(50, 500, 10, "secret")]]).replace(
    b"/Root 1 0 R",
    b"/Root 1 0 R/ID[<00112233445566778899aabbccddeeff><00112233445566778899aabbccddeeff>]"
    b"/Encrypt<</Filter/Standard/V 1/R 2/P -4/O<" + b"11" * 32 + b">/U<" + b"22" * 32 + b">>>",
)
BILLION = b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><x>&b;</x>'


def reason_of(data: bytes, name: str, limits: ReadLimits | None = None) -> BadReason:
    with pytest.raises(BadDocument) as caught:
        read_bytes(data, name, limits=limits)
    assert caught.value.where == name
    assert caught.value.hint
    return caught.value.reason


@pytest.mark.parametrize(
    ("data", "name", "reason"),
    [
        (b"", "a.txt", BadReason.EMPTY),
        (b" \n\n", "a.md", BadReason.EMPTY),
        (b"***\n", "a.md", BadReason.EMPTY),
        (pdf_bytes([[]]), "a.pdf", BadReason.EMPTY),
        (ENCRYPTED_PDF, "a.pdf", BadReason.ENCRYPTED),
        (OLE + "EncryptedPackage".encode("utf-16-le"), "a.docx", BadReason.ENCRYPTED),
        (
            repacked(odt_bytes(), {"META-INF/manifest.xml": b"<m><manifest:encryption-data/></m>"}),
            "a.odt",
            BadReason.ENCRYPTED,
        ),
        (OLE + "WordDocument".encode("utf-16-le"), "a.doc", BadReason.LEGACY_FORMAT),
        (OLE + "Workbook".encode("utf-16-le"), "a.xls", BadReason.LEGACY_FORMAT),
        (OLE + "PowerPoint Document".encode("utf-16-le"), "a.ppt", BadReason.LEGACY_FORMAT),
        (OLE + b"\x00" * 64, "a.docx", BadReason.LEGACY_FORMAT),
        (b"{\\rtf1 a}", "a.rtf", BadReason.LEGACY_FORMAT),
        (b"%PDF-1.7 cut short", "a.pdf", BadReason.CORRUPT),
        (docx_bytes()[:3000], "a.docx", BadReason.CORRUPT),
        (repacked(docx_bytes(), {"word/document.xml": b"<w:document"}), "a.docx", BadReason.CORRUPT),
        (repacked(xlsx_bytes(), {"xl/workbook.xml": b"<x"}), "a.xlsx", BadReason.CORRUPT),
        (b"only words", "a.docx", BadReason.WRONG_EXTENSION),
        (b"only words", "a.pdf", BadReason.WRONG_EXTENSION),
        (zip_bytes({"a.txt": b"a"}), "a.zip", BadReason.UNSUPPORTED),
        (b"\x7fELF\x00\x01\x02", "a.bin", BadReason.UNSUPPORTED),
        ("简体中文的内容在这里有二十个字以上才能判断".encode("gbk") * 2, "a.txt", BadReason.UNKNOWN_ENCODING),
        (repacked(docx_bytes(), {"word/document.xml": BILLION}), "a.docx", BadReason.XML_ENTITIES),
        (
            repacked(odt_bytes(), {"content.xml": BILLION.decode().encode("utf-16")}),
            "a.odt",
            BadReason.XML_ENTITIES,
        ),
        (PNG, "a.png", BadReason.NEEDS_OCR),
    ],
)
def test_refused_with_reason(data: bytes, name: str, reason: BadReason) -> None:
    assert reason_of(data, name) is reason


def test_zip_bombs_are_refused_before_unpacking() -> None:
    bomb = repacked(docx_bytes(), {"word/media/a.bin": b"\x00" * (32 << 20)})
    started = time.monotonic()
    assert reason_of(bomb, "a.docx") is BadReason.ZIP_BOMB
    assert reason_of(bomb, "a.docx", ReadLimits(unpacked_bytes=1 << 20)) is BadReason.ZIP_BOMB
    assert reason_of(docx_bytes(), "a.docx", ReadLimits(entries=3)) is BadReason.ZIP_BOMB
    assert time.monotonic() - started < 2


def test_limits_on_pages_and_text() -> None:
    assert reason_of(pdf_bytes([[], []]), "a.pdf", ReadLimits(pages=1)) is BadReason.TOO_LARGE
    assert reason_of("字".encode() * 100, "a.txt", ReadLimits(text_characters=50)) is BadReason.TOO_LARGE


def test_wrong_extension_is_read_by_content_with_a_warning() -> None:
    media_type, text = read_bytes(docx_bytes(), "a.pdf")
    assert media_type.endswith("wordprocessingml.document")
    assert "docx" in text.warnings[0]
    media_type, text = read_bytes("<html><body><p>規費十五元".encode(), "a.xls")
    assert media_type == "text/html" and text.warnings


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    sample=st.sampled_from(
        [
            (docx_bytes(), "a.docx"),
            (xlsx_bytes(), "a.xlsx"),
            (pptx_bytes(), "a.pptx"),
            (odt_bytes(), "a.odt"),
            (pdf_bytes([[(50, 500, 10, "Words")]]), "a.pdf"),
            ("# 甲\n\n乙".encode("utf-16"), "a.md"),
            (b"<html><table><tr><td rowspan=9>a<td>b", "a.html"),
        ]
    ),
    data=st.data(),
)
def test_damaged_bytes_are_read_or_refused_never_more(sample: tuple[bytes, str], data: st.DataObject) -> None:
    content, name = bytearray(sample[0]), sample[1]
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(1, len(content)))
    for damaged in (bytes(content), bytes(content[:cut])):
        try:
            read_bytes(damaged, name)
        except BadDocument as error:
            assert error.hint


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200), st.sampled_from(["a.txt", "a.md", "a.html", "a.pdf", "a.docx", "a", "a.png"]))
def test_any_bytes_are_read_or_refused(content: bytes, name: str) -> None:
    try:
        read_bytes(content, name)
    except BadDocument as error:
        assert error.hint


def test_documents_are_named_and_skipped_only_where_allowed(tmp_path: Path) -> None:
    good, bad = tmp_path / "好.md", tmp_path / "壞.docx"
    good.write_text("# 規則\n\n最新異動日期 20150121\n\n內容。", encoding="utf-8")
    bad.write_bytes(docx_bytes()[:3000])
    (tmp_path / ".hidden").write_text("x")
    huge = tmp_path / "大.pdf"
    with huge.open("wb") as stream:
        stream.truncate(200 << 20)
    documents, skipped = read_documents([tmp_path, tmp_path / "缺.pdf"], allow_skip=True)
    assert [(d.source.name, d.source.as_of) for d in documents] == [("好.md", "2015-01-21")]
    assert {(s.name, s.reason) for s in skipped} == {
        ("壞.docx", BadReason.CORRUPT),
        ("大.pdf", BadReason.TOO_LARGE),
        ("缺.pdf", BadReason.MISSING),
    }
    with pytest.raises(BadDocument) as caught:
        read_documents([tmp_path], allow_skip=False, as_of={tmp_path: "2020-01-01"})
    assert "壞.docx" in str(caught.value) and "大.pdf" in str(caught.value) and "skip" in caught.value.hint


def test_folder_date_and_equal_names(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.md").write_text(f"# {folder}\n\n內容。", encoding="utf-8")
    documents, _ = read_documents([tmp_path], allow_skip=False, as_of={tmp_path: "2020-01-01"})
    assert [(d.source.name, d.source.as_of) for d in documents] == [
        ("a/x.md", "2020-01-01"),
        ("b/x.md", "2020-01-01"),
    ]


def test_a_slow_document_is_given_up_and_the_next_one_read(tmp_path: Path) -> None:
    slow, quick = tmp_path / "slow.html", tmp_path / "quick.txt"
    slow.write_text("<div class=nav>" * 3000 + "字" * 2_000_000, encoding="utf-8")
    quick.write_text("內容。", encoding="utf-8")
    limits = ReadLimits(step_seconds=0.2)
    with ReaderProcess(limits) as process:
        with pytest.raises(BadDocument) as caught:
            process.read(slow, "slow.html")
        assert caught.value.reason is BadReason.TOO_SLOW
        assert process.read(quick, "quick.txt")[2].text == "內容。"


@pytest.mark.skipif(sys.platform != "linux", reason="address-space limits are those of Linux")
def test_memory_is_bounded(tmp_path: Path) -> None:
    big = tmp_path / "big.html"
    big.write_text("<p>字</p>" * 3_000_000, encoding="utf-8")
    limits = replace(ReadLimits(), memory_bytes=300 << 20)
    with ReaderProcess(limits) as process, pytest.raises(BadDocument) as caught:
        process.read(big, "big.html")
    assert caught.value.reason in (BadReason.TOO_MUCH_MEMORY, BadReason.CRASHED)
