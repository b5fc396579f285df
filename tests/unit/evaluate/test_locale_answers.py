"""Free answers of kind `locale`: the pack's checks, rules of its own, and rates over open answers."""

import json
from pathlib import Path
from typing import Any

import pytest

from staffroom.evaluate import ExamPack, commit_to, load_pack, score_response
from staffroom.evaluate.locale_answers import answer_rates
from staffroom.evaluate.packaged import packaged_packs, write_locale_template
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Item, Kind, Response, ScoreStatus

EXAM = """\
name: counter
version: 1
locale: zh-TW
declines: ["不知道"]
facets: {writing: {gated: false}, asked: {gated: false}}
splits: {screen: 0.5, gate: 0.5, sealed: 0, seed: s}
scorers: {locale: 1, short: 1}
"""
CHECKS = "locale_checks: {writing: [script, vocabulary, dates]}\n"


def write(folder: Path, exam: str = EXAM + CHECKS) -> Path:
    folder.mkdir(exist_ok=True)
    rows: list[dict[str, Any]] = [
        {"id": f"w{number}", "facet": "writing", "kind": "locale", "input": f"第{number}件案子怎麼傳？", "accept": ["上傳"]}
        for number in range(4)
    ]  # fmt: skip
    rows += [
        {
            "id": f"a{number}",
            "facet": "asked",
            "kind": "short",
            "input": f"第{number}件收多少？",
            "accept": ["元"],
        }
        for number in range(4)
    ]
    (folder / "exam.yaml").write_text(exam, "utf-8")
    (folder / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / "SOURCES.md").write_text("Written for these tests.\n", "utf-8")
    return folder


def answered(item: Item, text: str, raw: str = "") -> Response:
    return Response(item_id=item.id, agent="sha256:a", seed=0, text=text, raw_text=raw)


def item_of(pack: ExamPack, kind: Kind) -> Item:
    return next(item for item in pack.items if item.kind is kind)


@pytest.mark.parametrize(
    ("text", "value", "reason"),
    [
        ("請按上傳，選好檔案。", 1.0, "nothing foreign to zh-TW"),
        ("請按上傳，選好軟件。", 0.0, "vocabulary, wording: 軟件, there: 軟體"),
        ("请按上傳。", 0.0, "script, simplified"),
        ("115年11月22日（星期一）以前上傳軟件。", 0.0, "dates, weekday: 115年11月22日（星期一） and 1 more"),
        ("上傳的費用是￥500。", 1.0, "nothing foreign"),
        ("請寄給我們。", 0.0, "no accept pattern is found"),
        ("不知道。", 0.0, "declines to answer"),
        ("別的縣市寫「软件」，上傳就好。", 1.0, "nothing foreign"),
    ],
)
def test_an_answer_must_pass_the_checks_its_pack_asks_for(
    tmp_path: Path, text: str, value: float, reason: str
) -> None:
    pack = load_pack(write(tmp_path / "pack"))
    score = score_response(pack, item_of(pack, Kind.LOCALE), answered(item_of(pack, Kind.LOCALE), text))
    assert score.value == value
    assert reason in score.reason
    assert score.scorer == "locale/1+lint/1"


def test_other_kinds_and_packs_without_checks_are_scored_as_before(tmp_path: Path) -> None:
    pack = load_pack(write(tmp_path / "pack"))
    short = item_of(pack, Kind.SHORT)
    score = score_response(pack, short, answered(short, "這個软件收500元"))
    assert (score.value, score.scorer) == (1.0, "short/1")
    plain = load_pack(write(tmp_path / "plain", EXAM))
    locale = item_of(plain, Kind.LOCALE)
    score = score_response(plain, locale, answered(locale, "請上傳軟件"))
    assert (score.value, score.scorer) == (1.0, "locale/1")
    assert "locale_checks" not in plain.definition and "locale_rules" not in plain.definition
    assert plain.answer_rules is None


def test_the_rules_are_part_of_the_packs_digest_and_of_what_is_committed_to(tmp_path: Path) -> None:
    pack, plain = load_pack(write(tmp_path / "pack")), load_pack(write(tmp_path / "plain", EXAM))
    assert pack.digest != plain.digest
    assert pack.answer_rules is not None
    assert pack.definition["locale_rules"] == pack.answer_rules.rules.digest
    assert commit_to(pack, prompt_protocol={}).entry["scorers"] == ["locale/1+lint/1", "short/1"]
    assert commit_to(plain, prompt_protocol={}).entry["scorers"] == ["locale/1", "short/1"]


def test_an_engine_error_stays_unscored(tmp_path: Path) -> None:
    pack = load_pack(write(tmp_path / "pack"))
    item = item_of(pack, Kind.LOCALE)
    lost = Response(item_id=item.id, agent="sha256:a", seed=0, text="", error="lost")
    assert score_response(pack, item, lost).status is ScoreStatus.UNSCORED


def test_unknown_checks_and_locales_without_rules_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongUse, match="locale_checks"):
        load_pack(write(tmp_path / "pack", EXAM + "locale_checks: {writing: [spelling]}\n"))
    with pytest.raises(WrongUse, match=r"locale_checks\.letters: no facet"):
        load_pack(write(tmp_path / "third", EXAM + "locale_checks: {letters: [script]}\n"))
    with pytest.raises(WrongUse, match="no rules for fi-FI") as caught:
        load_pack(write(tmp_path / "other", (EXAM + CHECKS).replace("zh-TW", "fi-FI")))
    assert "--new-locale" in caught.value.hint


def test_a_pack_may_bring_rules_of_its_own(tmp_path: Path) -> None:
    folder = write_locale_template(tmp_path / "new" / "en-GB", "en-GB")
    pack = load_pack(folder)
    assert pack.name == "locale-en-gb"
    open_items = [item for item in pack.items if item.kind is Kind.LOCALE]
    assert len(open_items) == 3
    for item in open_items:
        assert score_response(pack, item, answered(item, item.answer)).value == 1.0
    wrong = open_items[0].answer.replace("The fee", "Enter your zip code. The fee")
    assert (
        "zip code, there: postcode"
        in score_response(pack, open_items[0], answered(open_items[0], wrong)).reason
    )
    with pytest.raises(WrongUse, match="there already"):
        write_locale_template(folder, "en-GB")
    with pytest.raises(WrongUse, match="not a locale"):
        write_locale_template(tmp_path / "bad", "english")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("finds: [Hey there]", "finds: [Good morning]", "does not find its example"),
        ("locale: en-GB", "locale: en-IE", "the rules are for en-IE"),
        ("find: '\\d\\s?£'", "find: '('", "not a regular expression"),
        ("rule: familiar", "rule: familiar\n      colour: red", "unknown field"),
    ],
)
def test_faulty_rules_of_a_pack_are_refused(tmp_path: Path, old: str, new: str, text: str) -> None:
    folder = write_locale_template(tmp_path / "en-GB", "en-GB")
    rules = folder / "locale" / "rules.yaml"
    before = rules.read_text("utf-8")
    assert old in before
    rules.write_text(before.replace(old, new), "utf-8")
    with pytest.raises(WrongUse, match=text):
        load_pack(folder)


def test_a_rule_that_never_ends_leaves_the_item_unscored(tmp_path: Path) -> None:
    folder = write_locale_template(tmp_path / "en-GB", "en-GB")
    rules = folder / "locale" / "rules.yaml"
    slow = "rule: familiar\n      find: '(?:a|aa)+b{3}$'\n      finds: [aabbb]\n    - rule: other"
    rules.write_text(rules.read_text("utf-8").replace("rule: familiar", slow), "utf-8")
    pack = load_pack(folder)
    item = next(item for item in pack.items if item.id == "writing-002")
    score = score_response(pack, item, answered(item, "1 May " + "a" * 300 + " c"))
    assert (score.status, score.value) == (ScoreStatus.UNSCORED, 0.0)
    assert "took too long" in score.reason


@pytest.mark.parametrize("name", ["locale-zh-TW", "locale-sv-SE", "locale-ar-SA"])
def test_the_free_answers_of_the_packaged_packs_pass_their_own_checks(name: str) -> None:
    pack = load_pack(packaged_packs()[name])
    items = [item for item in pack.items if item.facet == "writing"]
    assert len(items) >= 12
    for item in items:
        score = score_response(pack, item, answered(item, item.answer))
        assert score.value == 1.0, (item.id, score.reason)
        assert score_response(pack, item, answered(item, item.input)).value == 0.0


def test_rates_show_the_answer_as_written_and_as_served(tmp_path: Path) -> None:
    pack = load_pack(write(tmp_path / "pack"))
    first, second, third, *_ = pack.items
    responses = {
        first.id: answered(first, "請上傳軟體", "請上傳軟件"),
        second.id: answered(second, "請上傳"),
        third.id: Response(item_id=third.id, agent="a", seed=0, text="", error="lost"),
    }
    rates = answer_rates(pack.items, responses, "zh-TW", pack.answer_rules)
    assert rates is not None
    assert (rates["answers"], rates["raw"]["faulty"], rates["served"]["faulty"]) == (2, 1, 0)
    assert rates["raw"]["by_check"] == {"vocabulary": 1}
    assert rates["checks"] == ["script", "vocabulary", "dates"]
    assert answer_rates(pack.items, responses, "fi-FI") is None
    everything = answer_rates(pack.items, responses, "zh-TW")
    assert everything is not None and len(everything["checks"]) == 7
