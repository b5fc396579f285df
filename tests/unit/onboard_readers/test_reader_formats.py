"""Each format gives its headings, paragraphs and tables in order, and nothing of its furniture."""

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls
from reader_samples import (
    docx_bytes,
    lines_of,
    odp_bytes,
    ods_bytes,
    odt_bytes,
    pdf_bytes,
    pptx_bytes,
    saved,
    xlsx_bytes,
)

from staffroom.onboard.readers import read_bytes
from staffroom.onboard.readers.numbering import numeral
from staffroom.onboard.readers.statutes import number_of
from staffroom.records.documents import BlockKind, ExtractedText

HEADING, ROW, ITEM, PARAGRAPH = (
    BlockKind.HEADING,
    BlockKind.TABLE_ROW,
    BlockKind.LIST_ITEM,
    BlockKind.PARAGRAPH,
)
FEES = ["項目：戶籍謄本；規費：15元", "項目：印鑑證明；規費：20元"]


def text_of(data: bytes, name: str) -> ExtractedText:
    return read_bytes(data, name)[1]


def test_markdown_keeps_numbers_tables_and_lines_of_chinese() -> None:
    source = (
        "# 青石鎮\n\n一行在中\n間斷開，*強調*與[連結](x)。\n\n3. 三\n4. 四\n\n- 點\n\n"
        "| 項目 | 規費 |\n|---|---|\n| 戶籍謄本 | 15元 |\n\n<!-- 註 -->\n"
    )
    text = text_of(source.encode(), "a.md")
    assert [(b.kind, b.text) for b in text.blocks] == [
        (HEADING, "青石鎮"),
        (PARAGRAPH, "一行在中間斷開，強調與連結。"),
        (ITEM, "3. 三"),
        (ITEM, "4. 四"),
        (ITEM, "點"),
        (ROW, FEES[0]),
    ]


def test_html_drops_navigation_scripts_and_footer() -> None:
    source = (
        "<html><head><title>網站</title><script>var a=1</script></head><body>"
        "<div class='top-nav'><a href='#'>首頁</a> <a href='#'>網站導覽</a></div>"
        "<h1>規費</h1><p>依<b>法</b>收\n費。</p><table><tr><th>項目<th>規費<tr><td rowspan=2>戶籍謄本<td>15元"
        "<tr><td>20元</table><div style='x'>無段落<br>第二行</div><ul><li>甲<ul><li>乙</ul></ul>"
        "<footer>版權所有</footer></body></html>"
    )
    text = text_of(source.encode(), "a.html")
    assert [(b.kind, b.level, b.text) for b in text.blocks] == [
        (HEADING, 1, "規費"),
        (PARAGRAPH, 0, "依法收費。"),
        (ROW, 0, "項目：戶籍謄本；規費：15元"),
        (ROW, 0, "項目：戶籍謄本；規費：20元"),
        (PARAGRAPH, 0, "無段落"),
        (PARAGRAPH, 0, "第二行"),
        (ITEM, 1, "甲"),
        (ITEM, 2, "乙"),
    ]


def test_html_survives_deep_nesting() -> None:
    source = "<div>" * 20_000 + "內容在此" + "</div>" * 20_000
    assert "內容在此" in text_of(f"<html><body>{source}".encode(), "a.html").text


def test_docx_keeps_tables_in_order_and_finds_articles_in_plain_paragraphs() -> None:
    text = text_of(docx_bytes(), "a.docx")
    assert [(b.kind, b.text) for b in text.blocks] == [
        (HEADING, "青石鎮規費辦法"),
        (HEADING, "第一條"),
        (PARAGRAPH, "本辦法依鎮務會議決議訂定之。"),
        (HEADING, "第二條"),
        (PARAGRAPH, "規費如下："),
        *[(ROW, line) for line in FEES],
        (HEADING, "第三條"),
        (PARAGRAPH, "本辦法自公布日施行。"),
    ]


def test_docx_counts_drawn_article_numbers_and_leaves_deleted_text_out() -> None:
    document = docx.Document()
    numbering = document.part.numbering_part.element
    numbering.insert(
        0,
        parse_xml(
            f'<w:abstractNum {nsdecls("w")} w:abstractNumId="90"><w:lvl w:ilvl="0"><w:start w:val="1"/>'
            '<w:numFmt w:val="taiwaneseCountingThousand"/><w:lvlText w:val="第%1條"/></w:lvl></w:abstractNum>'
        ),
    )
    numbering.append(parse_xml(f'<w:num {nsdecls("w")} w:numId="90"><w:abstractNumId w:val="90"/></w:num>'))
    for words in ("本辦法依法訂定。", "本辦法自公布日施行。"):
        paragraph = document.add_paragraph(words)
        paragraph._p.get_or_add_pPr().append(
            parse_xml(f'<w:numPr {nsdecls("w")}><w:ilvl w:val="0"/><w:numId w:val="90"/></w:numPr>')
        )
        paragraph._p.append(
            parse_xml(f"<w:del {nsdecls('w')}><w:r><w:delText>舊文</w:delText><w:t>舊文</w:t></w:r></w:del>")
        )
        paragraph._p.append(parse_xml(f"<w:ins {nsdecls('w')}><w:r><w:t>新增。</w:t></w:r></w:ins>"))
    text = text_of(saved(document), "a.docx")
    assert lines_of(text, HEADING) == ["第一條", "第二條"]
    assert lines_of(text, PARAGRAPH) == ["本辦法依法訂定。新增。", "本辦法自公布日施行。新增。"]


@pytest.mark.parametrize(
    "value", [1, 9, 10, 11, 19, 20, 21, 99, 100, 101, 110, 111, 120, 305, 999, 1000, 1010, 2024]
)
def test_chinese_numerals_read_back(value: int) -> None:
    assert number_of(numeral(value, "taiwaneseCountingThousand")) == value


def test_xlsx_puts_the_column_name_before_each_value() -> None:
    text = text_of(xlsx_bytes(), "a.xlsx")
    assert lines_of(text, HEADING) == ["規費"]
    assert lines_of(text, ROW) == [
        "青石鎮公所規費表",
        "項目：戶籍謄本；金額：15；折扣：50%",
        "項目：印鑑證明；金額：20",
    ]
    assert {block.page for block in text.blocks} == {1}


def test_pptx_reads_titles_bullets_notes_and_tables_by_slide() -> None:
    text = text_of(pptx_bytes(), "a.pptx")
    assert [(b.kind, b.text, b.page) for b in text.blocks] == [
        (HEADING, "開放時間", 1),
        (ITEM, "週一至週五", 1),
        (ITEM, "上午八時至下午五時", 1),
        (PARAGRAPH, "國定假日不開放。", 1),
        *[(ROW, line, 2) for line in FEES],
    ]
    assert text.pages == 2


def test_open_document_formats_keep_headings_lists_and_tables() -> None:
    text = text_of(odt_bytes(), "a.odt")
    assert lines_of(text, HEADING) == ["場地借用辦法", "第一條", "附表"]
    assert lines_of(text, ITEM) == ["身分證", "申請書"]
    assert lines_of(text, ROW) == FEES
    sheet = text_of(ods_bytes(), "a.ods")
    assert lines_of(sheet, HEADING) == ["收費"]
    assert lines_of(sheet, ROW) == FEES
    slides = text_of(odp_bytes(), "a.odp")
    assert [(b.kind, b.text, b.page) for b in slides.blocks] == [
        (HEADING, "垃圾清運", 1),
        (PARAGRAPH, "每週三公休。", 1),
    ]


def test_pdf_joins_broken_lines_and_drops_headers_footers_and_page_numbers() -> None:
    body = "Residents may borrow the hall for a day if they ask the town office"
    pages = [
        [
            (50, 570, 8, "Rules of the hall"),
            (50, 500, 20, "Fees") if page == 1 else (50, 500, 12, "A second matter stands here alone."),
            (50, 460, 10, body),
            (50, 446, 10, f"seven days before. Note {page}."),
            (50, 420, 10, "A short line"),
            (195, 30, 8, f"- {page} -"),
        ]
        for page in (1, 2, 3)
    ]
    text = text_of(pdf_bytes(pages), "a.pdf")
    assert text.pages == 3
    assert "Rules of the hall" not in text.text
    assert "- 2 -" not in text.text
    assert lines_of(text, HEADING) == ["Fees"]
    joined = [b for b in text.blocks if b.text.startswith("Residents")]
    assert [b.text for b in joined] == [f"{body} seven days before. Note {page}." for page in (1, 2, 3)]
    assert [b.page for b in joined] == [1, 2, 3]


def test_short_list_lines_with_text_below_become_headings() -> None:
    source = "申請須知\n\n一、資格\n設籍本鎮者。\n二、文件\n身分證正本。\n"
    assert lines_of(text_of(source.encode(), "a.txt"), HEADING) == ["申請須知", "一、資格", "二、文件"]
    listed = "應備文件如下：\n\n一、身分證\n二、印章\n"
    assert lines_of(text_of(listed.encode(), "a.txt"), HEADING) == []


def test_wrapped_text_file_is_joined() -> None:
    line = "設籍本鎮之居民得依本辦法申請借用活動中心場地並繳納保證金"
    source = f"{line}\n{line}\n{line}\n完。\n\n第二段。\n"
    assert lines_of(text_of(source.encode("cp950"), "a.txt"), PARAGRAPH) == [
        f"{line}{line}{line}完。",
        "第二段。",
    ]


def test_every_block_stands_at_its_place() -> None:
    for data, name in ((docx_bytes(), "a.docx"), (odt_bytes(), "a.odt"), (pptx_bytes(), "a.pptx")):
        text = text_of(data, name)
        assert all(text.text[b.start : b.end] == b.text for b in text.blocks)
