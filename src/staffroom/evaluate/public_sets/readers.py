"""What the rows of the four sets become: choice items, each mapping said where it is not word for word.

TTQA and TMMLU ask four options already. ACVA asks whether a statement is right: two options, yes and no. SuperLim's synonyms have
five options; its Winograd rows ask whether a pronoun and a candidate name the same, so they are two options too.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from staffroom.evaluate.pack import ItemLine
from staffroom.evaluate.public_sets.rows import Row, choice_item, read_rows

__all__ = ["read_acva", "read_superlim", "read_tmmlu", "read_ttqa"]

_Text = Annotated[str, Field(min_length=1)]
_Options = Annotated[tuple[_Text, ...], Field(min_length=2, max_length=10)]
_FIELDS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("medicine", ("醫", "臨床", "營養", "免疫", "病毒", "基礎醫學")),
    ("trades", ("中式", "中餐", "印刷", "塗裝", "製鞋", "加工", "修護", "木工", "空調", "灌溉", "裝修", "檢驗", "架設", "油壓", "機電")),
    ("science", ("物理", "化學", "生物", "數學", "邏輯", "電路", "資訊", "通信")),
    ("society", ("法", "歷史", "公民", "地理", "國際", "社會", "觀光", "國文", "心理")),
    ("economy", ("經濟", "會計", "管理", "行銷", "商業")),
)  # fmt: skip


class _Ttqa(Row):
    id: _Text
    category: str = ""
    question: _Text
    choices: _Options
    answer: Annotated[str, Field(pattern=r"^[A-J]$")]


class _Tmmlu(Row):
    id: _Text
    subject: _Text
    question: _Text
    choices: _Options
    answer: Annotated[str, Field(pattern=r"^[A-J]$")]


class _Acva(Row):
    id: _Text
    question: _Text
    answer: Literal["نعم", "لا"]


class _Synonym(Row):
    id: _Text
    item: _Text
    candidate_answers: _Options
    label: Annotated[int, Field(ge=0)]


class _Place(Row):
    start: Annotated[int, Field(ge=0)]
    stop: Annotated[int, Field(ge=0)]


class _Mention(Row):
    text: _Text
    location: _Place


class _Snippet(Row):
    snippet_id: _Text


class _Winograd(Row):
    idx: int
    text: _Text
    pronoun: _Mention
    candidate_antecedent: _Mention
    label: Literal["coreferring", "not_coreferring"]
    meta: _Snippet


def read_ttqa(paths: Sequence[Path]) -> Iterator[ItemLine]:
    """Yield TTQA's questions as they are; the facet is the category."""

    def make(value: dict[str, Any]) -> ItemLine:
        row = _Ttqa.model_validate(value)
        return choice_item(
            id=row.id,
            cluster=row.id,
            locale="zh-TW",
            facet=row.category.strip().lower() or "other",
            question=row.question,
            choices=row.choices,
            right=ord(row.answer) - ord("A"),
            reference="TTQA",
        )

    return read_rows(paths[0], make)


def read_tmmlu(paths: Sequence[Path]) -> Iterator[ItemLine]:
    """Yield TMMLU's questions as they are; the cluster is the subject, the facet its field."""

    def make(value: dict[str, Any]) -> ItemLine:
        row = _Tmmlu.model_validate(value)
        return choice_item(
            id=row.id,
            cluster=row.subject,
            locale="zh-TW",
            facet=next(
                (name for name, words in _FIELDS if any(word in row.subject for word in words)), "other"
            ),
            question=row.question,
            choices=row.choices,
            right=ord(row.answer) - ord("A"),
            reference=f"TMMLU, {row.subject}",
        )

    return read_rows(paths[0], make)


def read_acva(paths: Sequence[Path]) -> Iterator[ItemLine]:
    """Yield ACVA's statements, each with the question whether it is right; the facet is the topic before the number."""

    def make(value: dict[str, Any]) -> ItemLine:
        row = _Acva.model_validate(value)
        return choice_item(
            id=row.id,
            cluster=row.id,
            locale="ar-SA",
            facet=row.id.rpartition("-")[0].strip().lower().replace(" ", "-") or "other",
            question=f"هل العبارة الآتية صحيحة؟\n{row.question}",
            choices=("نعم", "لا"),
            right=("نعم", "لا").index(row.answer),
            reference="ACVA",
        )

    return read_rows(paths[0], make)


def read_superlim(paths: Sequence[Path]) -> Iterator[ItemLine]:
    """Yield SuperLim's synonyms (cluster: the word) and Winograd pairs (cluster: the snippet)."""
    yield from read_rows(paths[0], _synonym)
    yield from read_rows(paths[1], _winograd)


def _synonym(value: dict[str, Any]) -> ItemLine:
    row = _Synonym.model_validate(value)
    return choice_item(
        id=f"synonym-{row.id}",
        cluster=f"synonym-{row.id}",
        locale="sv-SE",
        facet="synonyms",
        question=f"Vilket ord eller uttryck betyder ungefär detsamma som ”{row.item}”?",
        choices=row.candidate_answers,
        right=row.label,
        reference="SuperLim, SweSAT synonyms",
    )


def _winograd(value: dict[str, Any]) -> ItemLine:
    row = _Winograd.model_validate(value)
    text = _marked(row.text, row.pronoun, row.candidate_antecedent)
    return choice_item(
        id=f"winograd-{row.idx}",
        cluster=f"winograd-{row.meta.snippet_id}",
        locale="sv-SE",
        facet="winograd",
        question=f"{text}\n\nSyftar *{row.pronoun.text}* på [{row.candidate_antecedent.text}]?",
        choices=("Ja", "Nej"),
        right=0 if row.label == "coreferring" else 1,
        reference="SuperLim, SweWinograd",
    )


def _marked(text: str, pronoun: _Mention, candidate: _Mention) -> str:
    """Return the text with the pronoun between stars and the candidate in brackets; raises ValueError where they are not."""
    places = ((pronoun, "*", "*"), (candidate, "[", "]"))
    for mention, _, _ in places:
        if text[mention.location.start : mention.location.stop] != mention.text:
            raise ValueError(f"`{mention.text}` does not stand at its place")
    for mention, before, after in sorted(places, key=lambda place: -place[0].location.start):
        start, stop = mention.location.start, mention.location.stop
        text = f"{text[:start]}{before}{mention.text}{after}{text[stop:]}"
    return text
