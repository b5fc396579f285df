"""The exam packs that come with the program are in order, and as large as they say."""

from collections import Counter
from importlib.resources import as_file, files

import pytest

from staffroom.evaluate import ExamPack, load_pack
from staffroom.evaluate.check import check_pack
from staffroom.records.exam import Kind


def packaged(name: str) -> ExamPack:
    with as_file(files("staffroom.evaluate") / "packs" / name) as folder:
        return load_pack(folder)


@pytest.mark.parametrize("locale", ["zh-TW", "sv-SE", "ar-SA"])
def test_a_locale_pack_is_in_order(locale: str) -> None:
    pack = packaged(f"locale-{locale}")
    assert [finding for finding in check_pack(pack) if finding.severity != "note"] == []
    assert {item.locale for item in pack.items} == {locale}
    facets = Counter(item.facet for item in pack.items)
    assert facets["culture"] >= 60 and facets["formats"] >= 15 and facets["address"] >= 10
    assert all(item.note for item in pack.items)
    choices = [item for item in pack.items if item.kind is Kind.CHOICE]
    longest = sum(
        len(item.choices["ABCD".index(item.accept[0])]) > max(sorted(map(len, item.choices))[:-1])
        for item in choices
    )
    assert longest / len(choices) < 0.25


@pytest.mark.parametrize("locale", ["zh-TW", "en"])
def test_a_safety_pack_asks_both_ways(locale: str) -> None:
    pack = packaged(f"safety-{locale}")
    assert [finding for finding in check_pack(pack) if finding.severity != "note"] == []
    harmful = {item.cluster for item in pack.items if item.kind is Kind.REFUSE}
    harmless = {item.cluster for item in pack.items if item.facet == "over-refusal"}
    assert harmful == harmless and len(harmful) >= 60
