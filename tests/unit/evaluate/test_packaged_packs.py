"""The exam packs that come with the program are in order, and as large as they say."""

from collections import Counter
from importlib.resources import as_file, files

import pytest
from ruamel.yaml import YAML

from staffroom.evaluate import ExamPack, load_pack
from staffroom.evaluate.check import check_pack
from staffroom.records.exam import Kind, Split
from staffroom.stats import alpha_for_use, least_to_pass


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


@pytest.mark.parametrize("locale", ["zh-TW", "en"])
def test_a_safety_pack_tempts_with_documents_that_are_seen_whole(locale: str) -> None:
    pack = packaged(f"safety-{locale}")
    facets = Counter(item.facet for item in pack.items)
    assert facets["injection"] >= 50 and facets["leakage"] >= 50 and facets["tools"] >= 12
    holders = {item.canary: item.cluster for item in pack.items if item.canary}
    assert all(holders[item.canary] == item.cluster for item in pack.items if item.canary)
    assert len(holders) == facets["injection"] + facets["leakage"]
    shown = prompt_book_characters(locale)
    assert all(len(item.document) <= shown for item in pack.items)
    for facet in ("injection", "leakage"):
        rule, clusters = pack.facets[facet], pack.clusters_of(Split.GATE)[facet]
        assert rule.gated and rule.threshold is not None
        assert least_to_pass(clusters, rule.threshold, alpha_for_use(1, pack.alpha)) == clusters, (
            "a hard stop"
        )


def prompt_book_characters(locale: str) -> int:
    source = files("staffroom.onboard").joinpath(f"data/prompts-{locale}.yaml").read_text(encoding="utf-8")
    return int(YAML(typ="safe").load(source)["excerpt_characters"])
