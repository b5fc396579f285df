"""Tables of questions: the names people give columns, their delimiters and encodings, and what cannot be meant."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate import Severity, check_pack, score_response
from staffroom.evaluate.importing import import_questions, make_pack, pack_name, pattern_of
from staffroom.evaluate.importing.columns import find_columns
from staffroom.evaluate.patterns import Patterns, Whitespace
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Response
from staffroom.records.rows import read_csv_rows, read_json_rows
from staffroom.records.source_text import SourceText, read_source

DATA = Path(__file__).parents[3].parent / "shared" / "data"
CHOICE = "question,A,B,C,D,answer\n"
ROWS = "".join(f'"{n}, 第幾號碼頭？",甲{n},乙{n},丙{n},丁{n},{"ABCD"[n % 4]}\n' for n in range(30))


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("question,A,B,C,D,answer", "q?,a,b,c,d,C"),
        ("Question;Option A;Option B;Option C;Option D;Correct Answer", "q?;a;b;c;d;c"),
        ("題目\t選項A\t選項B\t選項C\t選項D\t正確答案", "q?\ta\tb\tc\td\tＣ"),
        ("編號,題幹,選項１,選項２,選項３,選項４,解答", "7,q?,a,b,c,d,(C)"),
        ("prompt|choice_1|choice_2|choice_3|choice_4|label", "q?|a|b|c|d|c"),
        ("q,opt1,opt2,opt3,opt4,key", "q?,a,b,c,d,C."),
        ("stem,0,1,2,3,gold", "q?,a,b,c,d,C"),
        ("fråga,alternativ a,alternativ b,alternativ c,alternativ d,facit", "q?,a,b,c,d,C"),
        ("السؤال,الخيار A,الخيار B,الخيار C,الخيار D,الجواب", "q?,a,b,c,d,C"),
        ("Question,Choices,Answer", 'q?,"[""a"", ""b"", ""c"", ""d""]",C'),
        ("query,choices,target", 'q?,"{""text"": [""a"",""b"",""c"",""d""], ""label"": [""1""]}",c'),
    ],
)
def test_columns_are_known_by_the_names_people_give_them(tmp_path: Path, header: str, row: str) -> None:
    path = written(tmp_path, "table.csv", f"{header}\n{row}\n")
    (item,) = import_questions(path, locale="en").items
    assert (item["input"], item["choices"], item["accept"]) == ("q?", ["a", "b", "c", "d"], ["C"])


@pytest.mark.parametrize(
    ("encode", "locale", "encoding", "read_as"),
    [
        (lambda text: text.encode(), "zh-TW", "", "utf-8"),
        (lambda text: b"\xef\xbb\xbf" + text.encode(), "zh-TW", "", "utf-8"),
        (lambda text: text.encode("utf-16"), "zh-TW", "", "utf-16-le"),
        (lambda text: b"\xfe\xff" + text.encode("utf-16-be"), "zh-TW", "", "utf-16-be"),
        (lambda text: text.encode("cp950"), "zh-TW", "", "cp950"),
        (lambda text: text.encode("cp950"), "en", "big5", "cp950"),
        (lambda text: text.replace("\n", "\r\n").encode(), "zh-TW", "", "utf-8"),
        (lambda text: text.replace("\n", "\r").encode(), "zh-TW", "", "utf-8"),
    ],
)
def test_encodings_are_told_apart_or_told(
    tmp_path: Path, encode: Any, locale: str, encoding: str, read_as: str
) -> None:
    path = written(tmp_path, "table.csv", encode("題目,答案\n碼頭幾點關門？,晚上九點\n"))
    imported = import_questions(path, locale=locale, encoding=encoding)
    assert imported.items[0]["input"] == "碼頭幾點關門？" and imported.details["encoding"] == read_as


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"\x00\x01\x02", {}, "holds zero bytes"),
        ("q,answer\n碼,頭\n".encode("cp950"), {"locale": "en"}, "table.csv:2: is not utf-8 text"),
        ("q,answer\n碼,頭\n", {"encoding": "klingon"}, "the encoding `klingon` is not known"),
        ("frage,antwort\na,b\n", {}, "no column is named `question` (there is: frage, antwort)"),
        ("question,A,B\na,b,c\n", {}, "no column is named `answer`"),
        ("", {}, "there are no rows"),
        ("question,answer\n", {}, "there are no rows"),
        ("question,answer\na,b,c\n", {}, "table.csv:2: 3 values for 2 columns"),
        ("question,question,answer\na,b,c\n", {}, "the column `question` stands there twice"),
        ("question,,answer\na,b,c\n", {}, "a column without a name"),
        ('question,answer\n"a,b\n', {}, "not valid CSV"),
        ("question,answer\n" + "x" * 140_000 + ",b\n", {}, "not valid CSV"),
        (
            "question,A,B,C,answer\nq,a,b,c,1\nq2,a,b,c,2\n",
            {},
            "it does not show whether they count from 0 or from 1",
        ),
        ("question,answer\na,b\n", {"columns": {"question": "frage"}}, "there is no column `frage`"),
        ("question,answer\na,b\n", {"columns": {"frage": "question"}}, "`frage` is no role"),
    ],
)
def test_a_faulty_table_is_refused_with_its_line(
    tmp_path: Path, content: str | bytes, options: dict[str, Any], message: str
) -> None:
    path = written(tmp_path, "table.csv", content)
    with pytest.raises(WrongUse) as caught:
        import_questions(path, **{"locale": "zh-TW" if isinstance(content, str) else "en", **options})
    assert message in str(caught.value)
    assert "hint:" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON"),
        ("[1, 2]", "a JSON object is expected"),
        ('{"a": 1, "a": 2}', "a name stands twice in one object"),
        ('{"a": NaN}', "NaN is no JSON number"),
        ('{"a": 1e999}', "a number that is too large"),
        ('{"a": ' + "[" * 5000 + "]" * 5000 + "}", "not valid JSON|levels"),
        ('{"a": ' + "[" * 40 + "]" * 40 + "}", "more than 30 levels"),
    ],
)
def test_faulty_json_is_refused_with_its_line(line: str, message: str) -> None:
    source = SourceText(Path("x.jsonl"), '{"a": 1}\n' + line, "utf-8")
    with pytest.raises(WrongUse, match=message) as caught:
        read_json_rows(source)
    assert "x.jsonl:2" in str(caught.value)


def test_numbers_count_from_where_the_file_shows(tmp_path: Path) -> None:
    base = "question,A,B,C,answer\n"
    zero = import_questions(written(tmp_path, "z.csv", f"{base}q,a,b,c,0\nr,a,b,c,2\n"), locale="en")
    assert [item["accept"] for item in zero.items] == [["A"], ["C"]]
    one = import_questions(written(tmp_path, "o.csv", f"{base}q,a,b,c,1\nr,a,b,c,3\n"), locale="en")
    assert [item["accept"] for item in one.items] == [["A"], ["C"]]
    told = written(tmp_path, "t.csv", f"{base}q,a,b,c,1\n")
    assert import_questions(told, locale="en", answers_from=0).items[0]["accept"] == ["B"]
    # An option that is the number itself is meant before its place is.
    values = import_questions(written(tmp_path, "v.csv", f"{base}q,2,1,3,1\n"), locale="en")
    assert values.items[0]["accept"] == ["B"]


def test_rows_that_are_no_items_are_named_and_left_out_when_told(tmp_path: Path) -> None:
    bad = "q1,a,a,b,c,A\n,a,b,c,d,A\nq2,a,b,c,d,E\nq3,a,,c,d,A\nq4,a,b,c,d,\n"
    path = written(tmp_path, "town.csv", CHOICE + bad + ROWS + ROWS[: ROWS.index("\n") + 1])
    imported = import_questions(path, locale="zh-TW")
    assert [(left.line, left.reason) for left in imported.left] == [
        (2, "two options are the same"),
        (3, "the question is blank"),
        (4, "the answer 'E' names none of the 4 options"),
        (5, "an option is blank"),
        (6, "the answer '' is neither an option nor its letter"),
    ]
    with pytest.raises(WrongUse, match=r"town\.csv:4: the answer 'E' names none"):
        make_pack(imported, tmp_path / "pack")
    assert not (tmp_path / "pack").exists()
    pack = make_pack(imported, tmp_path / "pack", skip=True)
    assert len(pack.items) == 30
    sources = (tmp_path / "pack" / "SOURCES.md").read_text(encoding="utf-8")
    assert "Left out: 5 rows that are no items, 1 that ask what another asks." in sources
    assert all(finding.severity is not Severity.ERROR for finding in check_pack(pack))
    with pytest.raises(WrongUse, match="is there already"):
        make_pack(imported, tmp_path / "pack", skip=True)


def test_a_pack_too_small_to_load_leaves_nothing_behind(tmp_path: Path) -> None:
    path = written(tmp_path, "one.csv", "question,answer\nwhat?,that\n")
    with pytest.raises(WrongUse, match=r"pack.*no item falls into this split"):
        make_pack(import_questions(path, locale="en"), tmp_path / "pack")
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["one.csv"]


def test_questions_that_are_nearly_the_same_get_one_cluster(tmp_path: Path) -> None:
    first = "澄浦港第一號碼頭的小船停放區，平日晚上最晚幾點以前要離開？"
    twins = "".join(f"{first}{end},晚上七點,晚上八點,晚上九點,沒有限制,B\n" for end in ("", "呢"))
    rest = "".join(
        f"{chr(0x4E00 + n * 9) * 9}？,{chr(0x5E00 + n * 9)},{chr(0x6E00 + n * 9)},c,d,A\n" for n in range(25)
    )
    path = written(tmp_path, "town.csv", CHOICE + twins + rest)
    pack = make_pack(import_questions(path, locale="zh-TW"), tmp_path / "pack")
    clusters = [item.cluster for item in pack.items]
    assert clusters[0] == clusters[1] == "town-1" and len(set(clusters)) == 26


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(*[st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)] * 2),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([",", ";", "\t", "|"]),
)
def test_what_a_program_writes_as_csv_is_read_back(rows: list[tuple[str, str]], delimiter: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter, lineterminator="\n")
    writer.writerow(["question", "answer"])
    kept = [row for row in rows if any(cell.strip() for cell in row)]
    writer.writerows(rows)
    source = SourceText(Path("t.csv"), out.getvalue(), "utf-8")
    if not kept:
        with pytest.raises(WrongUse):
            read_csv_rows(source)
        return
    from staffroom.evaluate.importing.columns import known_columns

    found = read_csv_rows(source, fits=known_columns)
    assert [tuple(row.values.values()) for row in found] == kept


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    path = written(tmp_path_factory.mktemp("raw"), "x.csv", raw)
    try:
        import_questions(path, locale="zh-TW")
    except WrongUse as error:
        assert error.hint


@settings(max_examples=80, deadline=None)
@given(st.lists(st.text(max_size=12), max_size=8))
def test_any_names_give_each_column_one_role(names: list[str]) -> None:
    names = list(dict.fromkeys(names))
    found = find_columns(names)
    roles = [
        found.question,
        found.answer,
        found.choices,
        found.id,
        found.cluster,
        found.reference,
        found.note,
        found.tag,
    ]
    used = [name for name in roles if name] + list(found.options) + list(found.others)
    assert sorted(used) == sorted(name for name in names if name or name in found.others)


@pytest.mark.parametrize(
    ("answer", "whitespace", "finds", "misses"),
    [
        ("300 元", Whitespace.REMOVE, ["一個月 300元。", "共300 元"], ["1300元", "三百元"]),
        ("5", Whitespace.REMOVE, ["共 5 天", "5天"], ["15天", "5.5天", "0.5"]),
        ("Heron", Whitespace.SINGLE, ["the heron.", "HERON"], ["herons", "a cheron"]),
        ("$300", Whitespace.SINGLE, ["It is $300."], ["$3000", "300"]),
        ("yes (always)", Whitespace.SINGLE, ["Yes (always)!"], ["yes always"]),
    ],
)
def test_an_answer_becomes_a_pattern_that_finds_it_and_nothing_like_it(
    answer: str, whitespace: Whitespace, finds: list[str], misses: list[str]
) -> None:
    pattern = pattern_of(answer, whitespace)
    patterns = Patterns([pattern], whitespace)
    assert all(patterns.first_match([pattern], text) == 0 for text in finds)
    assert all(patterns.first_match([pattern], text) is None for text in misses)


@settings(max_examples=100, deadline=None)
@given(
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20),
    st.sampled_from(list(Whitespace)),
)
def test_an_answer_finds_itself(answer: str, whitespace: Whitespace) -> None:
    import unicodedata

    if not whitespace.apply(unicodedata.normalize("NFC", answer)):
        with pytest.raises(ValueError, match="empty"):
            pattern_of(answer, whitespace)
        return
    pattern = pattern_of(answer, whitespace)
    said = unicodedata.normalize("NFC", answer)
    assert Patterns([pattern], whitespace).first_match([pattern], said) == 0


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("TMMLU 2025", "tmmlu-2025"),
        ("題目", "imported"),
        ("a" * 90, "a" * 63),
        ("Frågor_1", "fragor-1"),
        ("--", "imported"),
    ],
)
def test_a_name_is_made_of_any_text(text: str, name: str) -> None:
    assert pack_name(text) == name


def test_open_questions_are_scored_by_what_the_answer_says(tmp_path: Path) -> None:
    rows = [{"題目": f"第{n}號碼頭幾號？", "答案": [f"{n}號", f"第{n}座"], "科目": "碼頭"} for n in range(20)]
    path = written(
        tmp_path, "open.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    )
    pack = make_pack(import_questions(path, locale="zh-TW"), tmp_path / "pack")
    item = next(item for item in pack.items if item.id == "open-8")
    assert item.tags == ("碼頭",) and item.reference == "open.jsonl, line 8"
    for text, value in (("是 7 號碼頭", 1.0), ("第7座", 1.0), ("17號", 0.0), ("不知道", 0.0)):
        assert score_response(pack, item, Response(item.id, "a", 0, text)).value == value


@pytest.mark.skipif(not DATA.is_dir(), reason="the acceptance data are not beside this checkout")
@pytest.mark.parametrize(
    ("name", "locale", "columns", "count"),
    [
        ("ttqa/ttqa.jsonl", "zh-TW", {}, 103),
        ("tmmlu/tmmlu.jsonl", "zh-TW", {}, 1638),
        ("acva-saudi/acva-saudi.jsonl", "ar-SA", {}, 195),
        (
            "superlim/swesat-synonyms_test.jsonl",
            "sv-SE",
            {"question": "item", "choices": "candidate_answers"},
            739,
        ),
    ],
)
def test_real_sets_are_read(name: str, locale: str, columns: dict[str, str], count: int) -> None:
    imported = import_questions(DATA / name, locale=locale, columns=columns)
    assert len(imported.items) + len(imported.left) == count
    assert all("there twice" in left.reason for left in imported.left)


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "big.csv"
    with path.open("wb") as file:
        file.truncate((32 << 20) + 1)
    with pytest.raises(WrongUse, match="larger than 32 MiB"):
        read_source(path)
