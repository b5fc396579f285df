"""Scoring one response, kind by kind."""

from dataclasses import replace
from pathlib import Path

import pytest
from exam_folder import rows, short, write_pack

from staffroom.evaluate import (
    ExamPack,
    Patterns,
    Whitespace,
    against_candidate,
    declined_share,
    load_pack,
    score_response,
    summarize_facets,
    summarize_kinds,
)
from staffroom.records.exam import Item, Kind, Response, Score, ScoreStatus


def item_of(pack: ExamPack, name: str) -> Item:
    return next(item for item in pack.items if item.id == name)


def said(pack: ExamPack, name: str, text: str) -> Score:
    item = item_of(pack, name)
    return score_response(pack, item, Response(item.id, "agent", 1, text))


def chose(pack: ExamPack, name: str, *probabilities: float, margin: float = 1.0) -> Score:
    item = item_of(pack, name)
    response = Response(item.id, "agent", 1, "?", option_probabilities=probabilities, margin_nats=margin)
    return score_response(pack, item, response)


def test_choice_takes_the_likeliest_option(pack: ExamPack) -> None:
    right = chose(pack, "c-1", 0.2, 0.5, 0.2, 0.1)
    assert (right.value, right.scorer, right.unstable) == (1.0, "choice/1", False)
    wrong = chose(pack, "c-1", 0.5, 0.2, 0.2, 0.1, margin=0.1)
    assert (wrong.value, wrong.unstable) == (0.0, True)
    assert wrong.reason == "chose A, right is B"
    assert chose(pack, "c-1", 0.4, 0.4, 0.1, 0.1).value == 0.0
    assert chose(pack, "c-1", 0.4, 0.6).status is ScoreStatus.UNSCORED
    assert chose(pack, "c-1", float("nan"), 0.6, 0.1, 0.1).status is ScoreStatus.UNSCORED


def test_short_needs_accept_without_reject_on_text_without_whitespace(pack: ExamPack) -> None:
    assert said(pack, "s-3", "每天要繳 3 0\u30000\n元喔。").value == 1.0
    assert said(pack, "s-3", "1300元").value == 0.0
    rejected = said(pack, "s-3", "300元，老人免費")
    assert (rejected.value, rejected.reason) == (0.0, "reject pattern 1 is found")
    empty = said(pack, "s-3", "  ")
    assert (empty.value, empty.status, empty.reason) == (0.0, ScoreStatus.SCORED, "the answer is empty")


def test_declining_is_marked_unless_the_answer_is_right(pack: ExamPack) -> None:
    declined = said(pack, "s-3", "文件中沒有 寫到，請洽公所。")
    assert (declined.value, declined.declined) == (0.0, True)
    hedged = said(pack, "s-3", "300元；其他文件沒有提到。")
    assert (hedged.value, hedged.declined) == (1.0, False)
    assert not said(pack, "s-3", "500元").declined


def test_unanswerable_wants_declining(pack: ExamPack) -> None:
    right = said(pack, "u-3", "文件沒有記載。")
    assert (right.value, right.declined) == (1.0, True)
    assert said(pack, "u-3", "文件沒有記載，但可能叫咪咪。").value == 0.0
    assert not said(pack, "u-3", "叫小黑。").declined


def test_a_failed_answer_is_unscored_and_a_foreign_one_an_error(pack: ExamPack) -> None:
    item = item_of(pack, "s-3")
    failed = score_response(pack, item, Response("s-3", "agent", 1, "", error="the engine ended"))
    assert (failed.status, failed.value) == (ScoreStatus.UNSCORED, 0.0)
    assert "the engine ended" in failed.reason
    with pytest.raises(ValueError, match="cannot be scored"):
        score_response(pack, item, Response("s-4", "agent", 1, "300元"))


def test_a_pattern_past_its_time_limit_leaves_the_item_unscored(tmp_path: Path) -> None:
    evil = "(?:(?:a|aa)+)+(?<=b)c"
    pack = load_pack(write_pack(tmp_path, [*rows()[:59], short(99, accept=[evil]), *rows()[60:]]))
    score = said(pack, "s-99", "a" * 2000)
    assert score.status is ScoreStatus.UNSCORED
    assert "longer than" in score.reason


def test_whitespace_may_be_kept_for_languages_that_need_it() -> None:
    text = "The office  opens\nat 9"
    assert Patterns(["office opens at"], Whitespace.SINGLE).first_match(["office opens at"], text) == 0
    assert Patterns(["officeopensat"]).first_match(["officeopensat"], text) == 0


def test_summaries_count_items_clusters_and_unscored(pack: ExamPack) -> None:
    scores = [
        chose(pack, "c-0", 0.9, 0.1, 0, 0),
        chose(pack, "c-1", 0.1, 0.9, 0, 0, margin=0.05),
        replace(chose(pack, "c-2", 0.1, 0.9, 0, 0), status=ScoreStatus.UNSCORED),
        said(pack, "s-3", "文件沒有寫"),
        said(pack, "u-3", "無法確認"),
    ]
    row = summarize_facets(scores)[0]
    assert (row.facet, row.n, row.clusters, row.unscored) == ("choice", 3, 2, 1)
    assert row.score == pytest.approx(2 / 3)
    assert row.low < row.score < row.high
    assert [kind.facet for kind in summarize_kinds(scores)] == ["choice", "short", "unanswerable"]
    assert summarize_facets(against_candidate(scores))[0].score == pytest.approx(1 / 3)
    assert declined_share(scores, Kind.SHORT) == (1, 1)
    assert declined_share(scores, Kind.UNANSWERABLE) == (1, 1)
    with pytest.raises(ValueError, match="scored twice"):
        summarize_facets([scores[0], scores[0]])
