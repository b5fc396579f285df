"""Small documents of each format, made on the fly."""

import io
import zipfile
from pathlib import Path

import docx
import openpyxl
import pptx
from odfdo import Document, DrawPage, Frame, Header, List, Paragraph, Table

from staffroom.onboard.readers import read_bytes
from staffroom.records.documents import BlockKind, ExtractedText, ReadDocument, SourceDocument

ROWS = [["項目", "規費"], ["戶籍謄本", "15元"], ["印鑑證明", "20元"]]


def saved(thing: object) -> bytes:
    stream = io.BytesIO()
    thing.save(stream)  # type: ignore[attr-defined]
    return stream.getvalue()


def docx_bytes() -> bytes:
    document = docx.Document()
    document.add_heading("青石鎮規費辦法", 0)
    document.add_paragraph("第一條　本辦法依鎮務會議決議訂定之。")
    document.add_paragraph("第二條")
    document.add_paragraph("規費如下：")
    table = document.add_table(rows=0, cols=2)
    for row in ROWS:
        cells = table.add_row().cells
        cells[0].text, cells[1].text = row
    document.add_paragraph("第三條　本辦法自公布日施行。")
    return saved(document)


def xlsx_bytes() -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "規費"
    sheet.append(["青石鎮公所規費表"])
    for row in (["項目", "金額", "折扣"], ["戶籍謄本", 15, 0.5], ["印鑑證明", 20.0, None]):
        sheet.append(row)
    sheet["C3"].number_format = "0%"
    return saved(book)


def pptx_bytes() -> bytes:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "開放時間"
    slide.placeholders[1].text = "週一至週五\n上午八時至下午五時"
    slide.notes_slide.notes_text_frame.text = "國定假日不開放。"
    other = show.slides.add_slide(show.slide_layouts[6])
    table = other.shapes.add_table(3, 2, 0, 0, 100, 100).table
    for i, row in enumerate(ROWS):
        for j, value in enumerate(row):
            table.cell(i, j).text = value
    return saved(show)


def odt_bytes() -> bytes:
    document = Document("text")
    document.body.clear()
    document.body.append(Header(1, "場地借用辦法"))
    document.body.append(Paragraph("第一條　場地 借用，應於七日前申請。"))
    document.body.append(Header(2, "附表"))
    document.body.append(List(["身分證", "申請書"]))
    table = Table("收費", width=2, height=3)
    table.set_values(ROWS)
    document.body.append(table)
    return saved(document)


def ods_bytes() -> bytes:
    document = Document("spreadsheet")
    document.body.clear()
    table = Table("收費", width=2, height=3)
    table.set_values(ROWS)
    document.body.append(table)
    return saved(document)


def odp_bytes() -> bytes:
    document = Document("presentation")
    document.body.clear()
    page = DrawPage("p1", name="p1")
    page.append(Frame.text_frame("垃圾清運", presentation_class="title", size=("7cm", "2cm")))
    page.append(Frame.text_frame("每週三公休。", size=("7cm", "5cm")))
    document.body.append(page)
    return saved(document)


def pdf_bytes(pages: list[list[tuple[int, int, int, str]]]) -> bytes:
    """Write a PDF in Helvetica by hand; each line is (x, y from the bottom, size, ASCII text)."""
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", b"", b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"]
    kids = []
    for lines in pages:
        content = b"".join(
            f"BT /F1 {size} Tf {x} {y} Td ({text}) Tj ET\n".encode() for x, y, size, text in lines
        )
        objects.append(b"<</Length %d>>stream\n%sendstream" % (len(content), content))
        kids.append(len(objects) + 1)
        objects.append(
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 400 600]/Resources<</Font<</F1 3 0 R>>>>/Contents %d 0 R>>"
            % len(objects)
        )
    objects[1] = b"<</Type/Pages/Count %d/Kids[%s]>>" % (len(kids), b" ".join(b"%d 0 R" % k for k in kids))
    out = b"%PDF-1.4\n"
    places = []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return (
        out
        + b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF"
        % (
            len(objects) + 1,
            table,
            len(objects) + 1,
            len(out),
        )
    )


def zip_bytes(parts: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return stream.getvalue()


def repacked(data: bytes, changes: dict[str, bytes]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    return zip_bytes({**parts, **changes})


def lines_of(extracted: ExtractedText, kind: BlockKind) -> list[str]:
    return [block.text for block in extracted.blocks if block.kind is kind]


def read_document(data: bytes, name: str, as_of: str | None = None) -> ReadDocument:
    media_type, extracted = read_bytes(data, name)
    source = SourceDocument(Path(name), name, extracted.document_digest, media_type, as_of, len(data))
    return ReadDocument(source, extracted)
