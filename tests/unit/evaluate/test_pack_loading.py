"""Loading a pack: what is refused, where the error points, and what a digest covers."""

import json
from pathlib import Path
from typing import Any

import pytest
from exam_folder import EXAM, choice, rows, short, write_pack
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.evaluate import ExamPack, assign_splits, commit_to, load_pack
from staffroom.records.digests import canonical_json, digest_bytes
from staffroom.records.errors import WrongUse
from staffroom.records.exam import Item, Kind, Split

SHARES = {Split.SCREEN: 0.2, Split.GATE: 0.5, Split.SEALED: 0.3}


def refusal(folder: Path, items: list[dict[str, Any]] | None = None, exam: str = EXAM) -> str:
    with pytest.raises(WrongUse) as caught:
        load_pack(write_pack(folder, items, exam))
    return str(caught.value)


def test_a_good_pack_loads_with_defaults(pack: ExamPack) -> None:
    by_id = {item.id: item for item in pack.items}
    assert by_id["u-3"].cluster == "u-3"
    assert by_id["c-3"].cluster == "bylaw-1"
    assert by_id["c-3"].facet == "choice"
    assert by_id["c-3"].locale == "zh-TW"
    assert pack.facets["choice"].threshold == 0.5
    assert not pack.facets["short"].gated
    assert sum(len(pack.items_of(split)) for split in Split) == len(pack.items) == 80


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"acept": ["A"]}, "items.jsonl:2: acept: unknown field; did you mean `accept`?"),
        ({"kind": "essay"}, "items.jsonl:2: kind:"),
        ({"accept": ["E"]}, "items.jsonl:2: accept: exactly one letter of A, B, C, D"),
        ({"accept": ["A", "B"]}, "items.jsonl:2: accept: exactly one letter"),
        ({"choices": ["一", "一 ", "二", "三"]}, "items.jsonl:2: choices: two are the same"),
        ({"choices": ["一"]}, "items.jsonl:2: choices: a choice item needs at least two"),
        ({"id": "c-0"}, "items.jsonl:2: id: `c-0` is also on line 1"),
        (
            {
                "input": "第0號公告規定，海濱公園的　開放時間是什麼時候？",
                "choices": ["不開放", "上午0時", "下午0時", "晚上0時"],
            },
            "input: the same question is on line 1",
        ),
        (
            {"facet": "chioce"},
            "items.jsonl:2: facet: `chioce` is not under `facets` in exam.yaml; did you mean `choice`?",
        ),
        ({"kind": "refuse", "choices": [], "accept": ["不"]}, "has no version under `scorers`"),
    ],
)
def test_a_faulty_item_is_named_by_line_and_field(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    text = refusal(tmp_path, [choice(0), choice(1, **change), *rows()[2:]])
    assert message in text
    assert "hint:" in text


@pytest.mark.parametrize(
    ("patterns", "message"),
    [
        (["(未閉合"], "accept.0: not a regular expression"),
        (["好", ""], "accept.1: an empty pattern"),
        (["a" * 2001], "longer than 2000 characters"),
        (["a{9999}"], "repeats more than 5000 times"),
        ([], "accept: at least one pattern"),
    ],
)
def test_a_faulty_pattern_is_refused(tmp_path: Path, patterns: list[str], message: str) -> None:
    assert message in refusal(tmp_path, [*rows()[:59], short(99, accept=patterns), *rows()[60:]])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "threshold: 0.50",
            "threshold: 0.44",
            "exam.yaml:6: facets.choice.threshold: 0.44 is under chance + 0.20 = 0.45",
        ),
        (
            "    threshold: 0.30",
            "    threshold: 0.19",
            "exam.yaml:9: facets.unanswerable.threshold: 0.19 is under",
        ),
        ("{gated: false}", "{gated: true}", "a gated facet needs a threshold"),
        ("gate: 0.4", "gate: 0.5", "sum to 1.1, not to 1"),
        ("choice: 1", "choice: 2", "scorers.choice: version 2 is not known here (known: 1)"),
        ("locale: zh-TW", "local: zh-TW", "exam.yaml:3: local: unknown field; did you mean `locale`?"),
        ('"無法確認"', '"無法("', "exam.yaml:4: declines.1: not a regular expression"),
        (
            "  short: {gated: false}",
            "  short: {gated: false}\n  extra: {gated: false}",
            "facets.extra: no item has",
        ),
        ("alpha", "alpha", ""),
    ],
)
def test_a_faulty_exam_file_is_named_by_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    if not message:
        assert "alpha" in refusal(tmp_path, exam=EXAM + "alpha: 0.2\n")
    else:
        assert message in refusal(tmp_path, exam=EXAM.replace(old, new, 1))


def test_missing_and_unreadable_files_are_named(tmp_path: Path) -> None:
    folder = write_pack(tmp_path / "pack")
    (folder / "SOURCES.md").unlink()
    with pytest.raises(WrongUse, match=r"the pack has no SOURCES\.md"):
        load_pack(folder)
    with pytest.raises(WrongUse, match="no such exam pack"):
        load_pack(tmp_path / "nowhere")
    folder = write_pack(tmp_path / "pack")
    (folder / "items.jsonl").write_text('{"id": 1}\n[]\nnot json\n', encoding="utf-8")
    with pytest.raises(WrongUse) as caught:
        load_pack(folder)
    assert all(f"items.jsonl:{line}: " in str(caught.value) for line in (1, 2, 3))
    (folder / "items.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(WrongUse, match="no items"):
        load_pack(folder)


def test_too_few_clusters_for_the_splits_are_refused(tmp_path: Path) -> None:
    same = [choice(number, cluster="one") for number in range(4)]
    exam = EXAM.replace("  short: {gated: false}\n", "").replace(
        "  unanswerable:\n    threshold: 0.30\n    gated: true\n", ""
    )
    assert "no item falls into this split (1 clusters are too few)" in refusal(tmp_path, same, exam)


def test_the_digest_covers_content_and_not_order(pack: ExamPack, tmp_path: Path) -> None:
    reordered = load_pack(write_pack(tmp_path / "a", list(reversed(rows())), "# a comment\n" + EXAM))
    assert reordered.digest == pack.digest
    assert dict(reordered.splits) == dict(pack.splits)
    changed = rows()
    changed[5]["note"] = "another"
    assert load_pack(write_pack(tmp_path / "b", changed)).digest != pack.digest
    assert load_pack(write_pack(tmp_path / "c", exam=EXAM.replace("0.50", "0.60"))).digest != pack.digest


def test_the_commitment_hides_the_sealed_split_and_opens_with_its_salt(pack: ExamPack) -> None:
    made = commit_to(pack, prompt_protocol={"prompt": "sha256:00"})
    again = commit_to(pack, prompt_protocol={"prompt": "sha256:00"}, salt=made.salt)
    other = commit_to(pack, prompt_protocol={"prompt": "sha256:00"})
    assert made.entry == again.entry
    assert made.entry["splits"]["sealed"]["commitment"] != other.entry["splits"]["sealed"]["commitment"]
    digests = sorted(item.digest for item in pack.items_of(Split.SEALED))
    opened = digest_bytes(made.salt + canonical_json(digests))
    assert made.entry["splits"]["sealed"]["commitment"] == opened
    text = json.dumps(made.entry)
    assert not any(digest in text for digest in digests)
    assert made.entry["facets"]["choice"] == {"threshold": 0.5, "gated": True, "method": "exact"}
    with pytest.raises(ValueError, match="32 bytes"):
        commit_to(pack, prompt_protocol={}, salt=b"short")


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 60), st.sampled_from(list(Kind)[:3])), min_size=30, max_size=120),
    st.text(min_size=1, max_size=5),
)
def test_splits_keep_clusters_whole_and_are_near_their_shares(
    drawn: list[tuple[int, Kind]], seed: str
) -> None:
    items = [
        Item(str(index), f"k{cluster}", "en", kind.value, kind, f"question {index}")
        for index, (cluster, kind) in enumerate(drawn)
    ]
    splits = assign_splits(items, SHARES, seed=seed)
    assert set(splits) == {item.id for item in items}
    homes: dict[str, set[Split]] = {}
    sizes: dict[str, int] = {}
    for item in items:
        homes.setdefault(item.cluster, set()).add(splits[item.id])
        sizes[item.cluster] = sizes.get(item.cluster, 0) + 1
    assert all(len(home) == 1 for home in homes.values())
    assert assign_splits(list(reversed(items)), SHARES, seed=seed) == splits
    for kind in {item.kind for item in items}:
        own = [item for item in items if item.kind is kind]
        for split, share in SHARES.items():
            got = sum(splits[item.id] is split for item in own)
            assert abs(got - share * len(own)) <= 2 + max(sizes.values())


def test_the_order_of_the_file_breaks_no_tie() -> None:
    """Sums of fractions depend on their order: these items fell into other splits when the file was turned round."""
    drawn = [
        *((3, Kind.CHOICE), (3, Kind.SHORT), (3, Kind.SHORT), (2, Kind.CHOICE), (1, Kind.UNANSWERABLE)),
        *((3, Kind.SHORT), (1, Kind.SHORT), (3, Kind.SHORT), (2, Kind.CHOICE), (1, Kind.CHOICE)),
        (2, Kind.UNANSWERABLE),
    ]
    items = [
        Item(str(index), f"k{cluster}", "en", kind.value, kind, f"question {index}")
        for index, (cluster, kind) in enumerate(drawn)
    ]
    shares = {Split.SCREEN: 0.2, Split.GATE: 0.6, Split.SEALED: 0.2}
    assert assign_splits(items[::-1], shares, seed="0") == assign_splits(items, shares, seed="0")
