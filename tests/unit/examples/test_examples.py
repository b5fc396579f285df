"""The two town-hall examples: documents that say what their sources say, a valid job, and an exam without slips."""

import ctypes
import importlib.util
import json
import math
import re
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any

import pypdfium2
import pypdfium2.raw as pdfium
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from staffroom.records.job_description import JobDescription
from staffroom.stats import alpha_for_use, power_to_pass

_ROOT = Path(__file__).parents[3] / "examples"
_EXAMPLES = ["town-hall", "town-hall-en"]
_KINDS = {"choice", "short", "unanswerable", "refuse", "locale"}
_FIELDS = {
    "id",
    "cluster",
    "locale",
    "facet",
    "kind",
    "input",
    "accept",
    "reject",
    "reference",
    "note",
    "answer",
}
_LEAST_ITEMS = {"town-hall": 96, "town-hall-en": 48}
_TRUE_RATE, _LEAST_POWER = 0.75, 0.80
_MAX_PDF_BYTES = 300_000


def _builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_town_hall", _ROOT / "make_town_hall.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["make_town_hall"] = module
    spec.loader.exec_module(module)
    return module


_BUILDER = _builder()


def _items(example: str) -> list[dict[str, Any]]:
    lines = (_ROOT / example / "exam" / "items.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def _yaml(path: Path) -> Any:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8"))


def _squeeze(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _sections(source: Path) -> dict[str, str]:
    """Section name (heading, or first cell of a row) to its text without white space."""
    if source.suffix == ".yaml":
        rows = [row for sheet in _yaml(source)["sheets"] for row in sheet["rows"]]
        return {str(row[0]): _squeeze("".join(map(str, row))) for row in rows}
    sections: dict[str, str] = {}
    name = ""
    for line in source.read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"#{1,3} (.+)", line):
            name = heading[1]
        sections[name] = sections.get(name, "") + _squeeze(line)
    return sections


def _all_sections(example: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for source, document in _BUILDER.sources(example):
        for name, text in _sections(source).items():
            found[f"documents/{document.name}#{name}"] = text
    return found


def _matches(patterns: list[str], text: str) -> bool:
    """Whether any pattern occurs, with and without white space: packs are read by either way."""
    return any(re.search(pattern, form) for pattern in patterns for form in (text, _squeeze(text)))


def _eight_grams(text: str) -> set[str]:
    squeezed = _squeeze(text)
    return {squeezed[start : start + 8] for start in range(len(squeezed) - 7)}


# -- documents


@pytest.mark.parametrize("example", _EXAMPLES)
def test_each_document_says_what_its_source_says(example: str) -> None:
    pairs = list(_BUILDER.sources(example))
    assert sorted(document.name for _, document in pairs) == sorted(
        path.name for path in (_ROOT / example / "documents").iterdir()
    )
    for source, document in pairs:
        assert _BUILDER.document_text(document) == _BUILDER.source_text(source), document.name


@pytest.mark.parametrize("example", _EXAMPLES)
def test_documents_can_be_built_again(example: str, tmp_path: Path) -> None:
    for source, document in _BUILDER.sources(example):
        if document.suffix == ".pdf":
            with pytest.raises(SystemExit, match="--font"):
                _BUILDER.build(source, "zh-TW")
            continue
        again = tmp_path / document.name
        again.write_bytes(_BUILDER.build(source, "zh-TW" if example == "town-hall" else "en"))
        assert _BUILDER.document_text(again) == _BUILDER.document_text(document), document.name


def test_building_twice_gives_the_same_bytes() -> None:
    for source, document in _BUILDER.sources("town-hall-en"):
        assert _BUILDER.build(source, "en") == _BUILDER.build(source, "en"), document.name


@pytest.mark.parametrize("example", _EXAMPLES)
def test_formats(example: str) -> None:
    documents = list((_ROOT / example / "documents").iterdir())
    formats = {path.suffix for path in documents}
    assert len(formats) >= 5
    assert ".odt" in formats
    if example == "town-hall":
        assert 8 <= len(documents) <= 12


def test_the_pdf_carries_its_font() -> None:
    path = _ROOT / "town-hall" / "documents" / "market.pdf"
    assert path.stat().st_size < _MAX_PDF_BYTES
    document = pypdfium2.PdfDocument(path)
    found = 0
    for page in document:
        for item in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT]):
            font = pdfium.FPDFTextObj_GetFont(item)
            assert pdfium.FPDFFont_GetIsEmbedded(font) == 1
            size = ctypes.c_size_t()
            assert pdfium.FPDFFont_GetFontData(font, None, 0, ctypes.byref(size))
            found += 1
    document.close()
    assert found > 40


def test_both_towns_have_the_same_fees() -> None:
    """The English sheets are the first two Chinese ones, row by row."""
    chinese, english = (_yaml(_ROOT / name / "source" / "fees.xlsx.yaml")["sheets"] for name in _EXAMPLES)
    assert len(english) == 2
    for ours, theirs in zip(chinese, english, strict=False):
        amounts = [
            [[c for c in row if isinstance(c, int)] for row in sheet["rows"]] for sheet in (ours, theirs)
        ]
        assert amounts[0] == amounts[1]


# -- job


@pytest.mark.parametrize("example", _EXAMPLES)
def test_job_is_valid_and_complete(example: str) -> None:
    folder = _ROOT / example
    job = JobDescription.model_validate(_yaml(folder / "job.yaml"))
    assert {str(ref.path) for ref in job.documents} == {
        f"documents/{path.name}" for path in (folder / "documents").iterdir()
    }
    assert all(ref.as_of for ref in job.documents)
    assert job.charter.file is not None
    charter = _squeeze((folder / job.charter.file).read_text(encoding="utf-8"))
    assert _squeeze(job.charter.ai_notice) in charter
    assert _squeeze(job.charter.turn_to) in charter
    assert (folder / job.exam / "items.jsonl").is_file()


# -- exam


@pytest.mark.parametrize("example", _EXAMPLES)
def test_items_have_the_fields_of_the_contract(example: str) -> None:
    items = _items(example)
    assert len(items) >= _LEAST_ITEMS[example]
    assert len({item["id"] for item in items}) == len(items)
    assert len({_squeeze(item["input"]) for item in items}) == len(items)
    assert {item["kind"] for item in items} == _KINDS
    for item in items:
        assert item.keys() - {"choices"} == _FIELDS, item["id"]
        assert ("choices" in item) == (item["kind"] == "choice"), item["id"]
        assert item["facet"] == item["kind"]
        assert item["answer"]
        assert item["note"]


@pytest.mark.parametrize("example", _EXAMPLES)
def test_choices_give_nothing_away(example: str) -> None:
    choices = [item for item in _items(example) if item["kind"] == "choice"]
    letters = Counter(item["answer"] for item in choices)
    assert set(letters.values()) == {len(choices) // 4}
    longest = 0
    for item in choices:
        assert item["accept"] == [item["answer"]]
        assert len({_squeeze(choice) for choice in item["choices"]}) == 4, item["id"]
        lengths = [len(choice) for choice in item["choices"]]
        right = lengths.pop("ABCD".index(item["answer"]))
        longest += right > max(lengths)
        assert max(*lengths, right) - min(*lengths, right) <= 9, item["id"]
    assert longest <= len(choices) // 4


@pytest.mark.parametrize("example", _EXAMPLES)
def test_patterns_accept_the_model_answer_and_not_the_question(example: str) -> None:
    for item in _items(example):
        if item["kind"] == "choice":
            continue
        assert item["accept"], item["id"]
        assert _matches(item["accept"], item["answer"]), item["id"]
        assert not _matches(item["reject"], item["answer"]), item["id"]
        assert not _matches(item["accept"], item["input"]), item["id"]
        assert not _matches(item["accept"], ""), item["id"]


@pytest.mark.parametrize("example", _EXAMPLES)
def test_declines_tell_declining_from_answering(example: str) -> None:
    declines = _yaml(_ROOT / example / "exam" / "exam.yaml")["declines"]
    for item in _items(example):
        if item["kind"] == "choice":
            continue
        declined = item["kind"] in ("unanswerable", "refuse")
        assert _matches(declines, item["answer"]) == declined, item["id"]
        if item["kind"] == "short":
            quote = re.findall(r"[「“](.+?)[」”]", item["note"])[0]
            assert not _matches(declines, quote), item["id"]
            assert not _matches(item["accept"], "文件裡沒有寫到，無法確認。The documents do not say."), item[
                "id"
            ]


@pytest.mark.parametrize("example", _EXAMPLES)
def test_references_exist_and_are_quoted(example: str) -> None:
    sections = _all_sections(example)
    for item in _items(example):
        if item["kind"] not in ("choice", "short"):
            assert item["reference"] == ""
            assert item["cluster"] == item["id"]
            continue
        document, section = item["reference"].split("#", 1)
        assert item["cluster"] == f"{Path(document).stem}#{section}"
        quotes = re.findall(r"[「“](.+?)[」”]", item["note"])
        assert quotes, item["id"]
        for quote in quotes:
            assert _squeeze(quote) in sections[item["reference"]], (item["id"], quote)


@pytest.mark.parametrize("example", _EXAMPLES)
def test_no_question_is_copied_from_a_document(example: str) -> None:
    grams = {name: _eight_grams(text) for name, text in _all_sections(example).items()}
    for item in _items(example):
        own = _eight_grams(item["input"])
        for name, theirs in grams.items():
            assert len(own & theirs) * 2 < max(1, len(own)), (item["id"], name)


def test_chinese_is_traditional() -> None:
    """Each character is in the code page of Traditional Chinese."""
    folder = _ROOT / "town-hall"
    for path in [*folder.glob("*.*"), *(folder / "source").iterdir(), *(folder / "exam").iterdir()]:
        text = path.read_text(encoding="utf-8")
        if path.name == "items.jsonl":
            shown = ("input", "answer", "note", "cluster")
            text = "".join(
                "".join(i[k] for k in shown) + "".join(i.get("choices", [])) for i in _items("town-hall")
            )
        wrong = {character for character in text if not _in_cp950(character)}
        assert not wrong, (path.name, wrong)


def _in_cp950(character: str) -> bool:
    try:
        character.encode("cp950")
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize("example", _EXAMPLES)
def test_a_true_three_quarters_is_promoted_often_enough(example: str) -> None:
    exam = _yaml(_ROOT / example / "exam" / "exam.yaml")
    assert sum(exam["splits"][name] for name in ("screen", "gate", "sealed")) == pytest.approx(1)
    alpha = alpha_for_use(1, exam["alpha"])
    power = 1.0
    for facet, rule in exam["facets"].items():
        if not rule["gated"]:
            continue
        items = [item for item in _items(example) if item["facet"] == facet]
        clusters = {item["cluster"] for item in items}
        assert len(clusters) == len(items)
        chance = 0.25 if facet == "choice" else 0.0
        assert rule["threshold"] >= chance + 0.20
        in_gate = round(exam["splits"]["gate"] * len(clusters))
        power *= power_to_pass(in_gate, rule["threshold"], alpha, _TRUE_RATE)
    assert power >= _LEAST_POWER
    assert not math.isclose(power, 1.0)


_NUMBER_ITEMS = [
    (item["id"], item["accept"], number)
    for item in _items("town-hall")
    if item["kind"] == "short" and (number := re.match(r"[0-9,]+(?= (?:元|席))", item["answer"]))
]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(_NUMBER_ITEMS), st.integers(0, 99_999))
def test_a_wrong_amount_is_not_accepted(case: tuple[str, list[str], re.Match[str]], amount: int) -> None:
    _, accept, number = case
    right = int(number[0].replace(",", ""))
    for form in (f"{amount} 元", f"{amount:,} 元", f"要繳 {amount:,} 元。"):
        assert _matches(accept, form) == (amount == right)
