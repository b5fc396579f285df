"""The locale checks: their own examples, places, what is set apart, calendars, rates, and rules that cannot be read."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.text import find_wording
from staffroom.text.lint import (
    LINT_CHECKS,
    LocaleRulesError,
    Severity,
    failing_examples,
    lint,
    lint_rate,
    linted_locales,
    load_locale_rules,
    locale_rules,
)
from staffroom.text.lint.calendar import hijri_to_gregorian

LOCALES = ("ar-SA", "sv-SE", "zh-TW")
BITS = [
    *("請在", "手機", "打開", "設置", "，", "。", "\n", "「軟件」", "軟件", "软件", "默認", "證書", "您", "你", "115年2月30日"),
    *("den 22 November", "1,000.50 kr", "Ni", " ", "ikke", "”ikke”", "2026-02-30", "vecka 54", "Hej", "person nummer"),
    *("فى", "«فى»", "٤٨", "48", "؟", "?", "عام", "2026هـ", "https://a.example/软件", "`软件`", "a", "\u06f1"),
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(BITS), max_size=16).map("".join)


def rules_of(text: str, locale: str, check: str) -> list[str]:
    return [one.rule for one in lint(text, locale, checks=[check]).faults]


def test_every_packaged_locale_holds_to_its_own_examples() -> None:
    assert linted_locales() == LOCALES
    for locale in LOCALES:
        rules = locale_rules(locale)
        assert failing_examples(rules) == []
        assert rules.locale == locale
        assert set(rules.rules) == set(LINT_CHECKS) - {"language"}
        for entries in rules.rules.values():
            assert [rule.name for rule in entries if not (rule.words or rule.finds)] == []


@settings(max_examples=60, deadline=None)
@given(text=TEXTS, locale=st.sampled_from(LOCALES))
def test_places_are_those_of_the_text_and_findings_do_not_overlap(text: str, locale: str) -> None:
    for check in LINT_CHECKS:
        report = lint(text, locale, checks=[check])
        end = 0
        for one in report.findings:
            assert one.check == check
            assert 0 <= one.start < one.end <= len(text)
            assert one.start >= end
            end = one.end
            if check != "language" and "\ufffc" not in one.found:
                assert text[one.start : one.end] == one.found
        assert lint(text, locale, checks=[check]) == report
    assert lint(text, locale).clean == (not lint(text, locale).faults)


@settings(max_examples=40, deadline=None)
@given(inside=st.lists(st.sampled_from(BITS), max_size=6).map("".join), locale=st.sampled_from(LOCALES))
def test_what_is_quoted_cited_or_code_is_set_apart(inside: str, locale: str) -> None:
    plain = inside.translate(str.maketrans("", "", "「」”«»`\n"))
    marks = {"zh-TW": "「」", "sv-SE": "””", "ar-SA": "«»"}[locale]
    for text in (f"{marks[0]}{plain}{marks[1]}", f"`{plain}`" if plain else "", plain):
        assert lint(text, locale, checks=LINT_CHECKS[1:], cited=[plain] if text == plain else ()).clean


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("請下載新的软件", "simplified"),
        ("正在合并由于", "simplified"),
        ("请问", "simplified"),
        ("我們討論了,然后決定開會", "simplified-by-word"),
    ],
)
def test_simplified_chinese_is_found_in_shared_characters_too(text: str, rule: str) -> None:
    assert rule in rules_of(text, "zh-TW", "script")


@pytest.mark.parametrize("text", ["南庄的客家庄", "皇后與后里", "台北的平台", "于右任", "里長", "生活拮据"])
def test_characters_of_both_scripts_are_left_alone(text: str) -> None:
    assert lint(text, "zh-TW", checks=["script"]).clean


def test_a_word_of_two_senses_counts_where_its_sentence_shows_which() -> None:
    assert rules_of("這個程式正在運行。", "zh-TW", "vocabulary") == ["computing"]
    alone = lint("行星繞著太陽運行，速度很快。", "zh-TW", checks=["vocabulary"])
    assert alone.clean
    assert [one.severity for one in alone.findings] == [Severity.DOUBT]
    # The sentence before does not lend its sense.
    assert lint("請打開手機。行星繞著太陽運行，速度很快。", "zh-TW", checks=["vocabulary"]).clean


@pytest.mark.parametrize(
    "text",
    [
        "請打開手機的設定，再把檔案下載到電腦。",
        "補助對象可至網站下載申請書，或到服務窗口辦理。",
        "本所設置於市府一樓，請先上網登錄。",
        "會場有視聽設備，用戶請自備傳輸線。",
        "學校禁用手機，支持者請改用電話聯絡。",
        "您好：您的申請已於民國115年11月22日（星期日）核准，規費1,250元。",
        "115年（2026年）預算案、113年2月29日、版本 1.2.3、IP 位址 10.0.0.1。",
    ],
)
def test_what_people_in_taiwan_write_is_clean(text: str) -> None:
    assert lint(text, "zh-TW").clean


@pytest.mark.parametrize(
    ("locale", "check", "text", "rule"),
    [
        ("zh-TW", "dates", "115年11月22日（星期一）截止。", "weekday"),
        ("zh-TW", "dates", "民國115年（2025年）", "calendars"),
        ("zh-TW", "dates", "113年13月1日截止", "no-such-day"),
        ("zh-TW", "dates", "2023年2月29日", "no-such-day"),
        ("zh-TW", "address", "您好，你的申請收到了。", "mixed-you"),
        ("zh-TW", "money", "￥500", "foreign-sign"),
        ("sv-SE", "dates", "måndag den 22 november 2026", "weekday"),
        ("sv-SE", "dates", "Vi ses vecka 54.", "no-such-week"),
        ("sv-SE", "numbers", "Avgiften är 1,000.50 kr.", "comma-thousands"),
        ("sv-SE", "address", "Vi vill att Ni kontaktar oss.", "polite-you"),
        ("sv-SE", "vocabulary", "Du kan ikke ansöka.", "danish-norwegian"),
        ("ar-SA", "dates", "1 محرم 1448هـ الموافق 22 نوفمبر 2026م", "calendars"),
        ("ar-SA", "dates", "22 تشرين الثاني 2026", "levant-months"),
        ("ar-SA", "numbers", "۱۴۴۸", "persian-digits"),
        ("ar-SA", "script", "فى المملكة", "dotless-yeh"),
        ("ar-SA", "address", "نحيط سيادتكم علمًا", "egyptian-address"),
    ],
)
def test_faults_have_their_names(locale: str, check: str, text: str, rule: str) -> None:
    assert rule in rules_of(text, locale, check)


@pytest.mark.parametrize(
    ("locale", "text"),
    [
        (
            "sv-SE",
            "Söndagen den 22 november 2026, vecka 47, kl. 14.15: avgiften är 1 000,50 kr (2,5 procent).",
        ),
        ("sv-SE", "Hej Karin! Herr Moncrieff bodde granne med fru Berg, sa hon."),
        ("ar-SA", "الأحد ١٢ جمادى الآخرة ١٤٤٨هـ الموافق ٢٢ نوفمبر ٢٠٢٦م، والرسم ١٬٢٥٠ ر.س."),
        ("ar-SA", "سعادة المدير العام، السلام عليكم ورحمة الله وبركاته. الرسم 1,250.50 ريال، فهل تم السداد؟"),
    ],
)
def test_native_formats_are_clean(locale: str, text: str) -> None:
    assert lint(text, locale).faults == ()


def test_another_language_is_named() -> None:
    report = lint(
        "The application must be handed in at the town hall within thirty days.", "sv-SE", checks=["language"]
    )
    assert [(one.found, one.instead) for one in report.faults] == [("en", "sv")]
    assert lint("Ansökan ska lämnas in till kommunen inom trettio dagar från beslutet.", "sv-SE").clean


def test_the_repair_and_the_lint_are_apart() -> None:
    # The lint knows more than what is repaired, and lets pass what Taiwan writes all the same.
    assert find_wording("這個程式正在運行") == ()
    assert [one.found for one in find_wording("請看下面的列表")] == ["列表"]
    assert lint("請看下面的列表", "zh-TW").clean


@pytest.mark.parametrize(
    ("hijri", "gregorian"),
    [
        # First days and feasts as announced (Umm al-Qura): the tabular calendar is at most two days off.
        ((1444, 9, 1), date(2023, 3, 23)),
        ((1445, 1, 1), date(2023, 7, 19)),
        ((1445, 10, 1), date(2024, 4, 10)),
        ((1445, 12, 10), date(2024, 6, 16)),
        ((1446, 1, 1), date(2024, 7, 7)),
        ((1446, 9, 1), date(2025, 3, 1)),
        ((1447, 1, 1), date(2025, 6, 26)),
    ],
)
def test_hijri_dates_are_at_most_two_days_off(hijri: tuple[int, int, int], gregorian: date) -> None:
    assert abs((hijri_to_gregorian(*hijri) - gregorian).days) <= 2


def test_the_hijri_calendar_has_its_cycle() -> None:
    assert hijri_to_gregorian(1, 1, 1) == date(622, 7, 19)
    assert (hijri_to_gregorian(31, 1, 1) - hijri_to_gregorian(1, 1, 1)).days == 10631
    leap = [
        year
        for year in range(1, 31)
        if (hijri_to_gregorian(year + 1, 1, 1) - hijri_to_gregorian(year, 1, 1)).days == 355
    ]
    assert leap == [2, 5, 7, 10, 13, 16, 18, 21, 24, 26, 29]


@settings(max_examples=60, deadline=None)
@given(year=st.integers(1, 3000), month=st.integers(1, 12))
def test_hijri_months_follow_one_another(year: int, month: int) -> None:
    first = hijri_to_gregorian(year, month, 1)
    following = hijri_to_gregorian(year + month // 12, month % 12 + 1, 1)
    assert following - first in (timedelta(days=29), timedelta(days=30))


@settings(max_examples=60, deadline=None)
@given(day=st.dates(date(1950, 1, 1), date(2090, 12, 31)))
def test_a_date_with_its_weekday_in_two_calendars_is_no_fault(day: date) -> None:
    weekday = "一二三四五六日"[day.weekday()]
    roc = f"民國{day.year - 1911}年{day.month}月{day.day}日（星期{weekday}）"
    assert lint(roc, "zh-TW", checks=["dates"]).clean
    assert lint(f"{roc}（{day.year}年{day.month}月{day.day}日）", "zh-TW", checks=["dates"]).clean
    other = day + timedelta(days=1)
    wrong = f"民國{day.year - 1911}年{day.month}月{day.day}日（{other.year}年{other.month}月{other.day}日）"
    assert not lint(wrong, "zh-TW", checks=["dates"]).clean
    assert not lint(
        f"{day.isoformat()}（{'一二三四五六日'[other.weekday()]}）", "zh-TW", checks=["dates"]
    ).clean


def test_rates_count_texts_checks_and_characters() -> None:
    reports = [lint(text, "zh-TW") for text in ("請下載軟件和軟件，￥500", "請下載軟體", "")]
    rate = lint_rate(reports)
    assert (rate.texts, rate.faulty, rate.faults) == (3, 1, 3)
    assert dict(rate.faulty_by_check) == {"money": 1, "vocabulary": 1}
    assert rate.share == pytest.approx(1 / 3)
    assert rate.per_thousand == pytest.approx(3000 / rate.characters)
    assert lint_rate([]).share == lint_rate([]).per_thousand == 0.0


def test_unknown_locales_and_checks_are_refused() -> None:
    with pytest.raises(LocaleRulesError, match="no rules for fi-FI"):
        lint("Hei", "fi-FI")
    with pytest.raises(ValueError, match="no such check: spelling"):
        lint("Hej", "sv-SE", checks=["spelling"])


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (("checks:", "chekcs:"), "chekcs"),
        (
            ("words: {sidewalk: pavement, zip code: postcode}", "find: '(unclosed'"),
            "not a regular expression",
        ),
        (("when: computing", "when: cooking"), "`cooking` is not among the contexts"),
        (("severity", "severity"), ""),
        (("- rule: month-first", "- rule: Month First"), "pattern"),
        (("  vocabulary:", "  grammar:"), "grammar"),
        (("locale: xx-XX", "locale: [1"), "cannot be read"),
    ],
)
def test_faulty_rules_say_what_and_where(tmp_path: Path, change: tuple[str, str], text: str) -> None:
    packs = Path(__file__).parents[3] / "src" / "staffroom" / "evaluate" / "packs"
    rules = (packs / "locale-template" / "locale" / "rules.yaml").read_text("utf-8")
    (tmp_path / "rules.yaml").write_text(
        rules.replace("xx-XX", "en-GB") if not text else rules.replace(*change), "utf-8"
    )
    if not text:
        assert failing_examples(load_locale_rules(tmp_path)) == []
        return
    with pytest.raises(LocaleRulesError, match=r"rules\.yaml") as caught:
        load_locale_rules(tmp_path)
    assert text in str(caught.value)


def test_an_example_that_is_not_found_is_said(tmp_path: Path) -> None:
    rules = locale_rules("sv-SE")
    first = rules.rules["money"][0]
    broken = replace(first, finds=("ett hundra kronor",), leaves=("kr 500",))
    faults = failing_examples(replace(rules, rules={"money": (broken,)}))
    assert len(faults) == 2 and "does not find" in faults[0] and "should leave" in faults[1]
    with pytest.raises(LocaleRulesError, match="cannot be read"):
        load_locale_rules(tmp_path / "nothing")
