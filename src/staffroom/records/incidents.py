"""Incidents: what happened, what was kept of it, and which clocks run; and the dated rules by which clocks are set.

The rules are data with a source, a date and a day by which somebody must look at them again; a home can replace or add to them
(`incident-rules.json`). They say how long a duty to report leaves, not whether it applies: that a person decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from staffroom.records.digests import canonical_json

__all__ = ["Clock", "EventKind", "IncidentEvent", "IncidentRule", "clock_of", "shipped_rules"]

_EU = "Regulation (EU) 2024/1689"
_EU_NOTE = (
    "the duties for high-risk systems of Annex III were moved to 2 December 2027",
    "附件三高風險系統的義務已延至 2027 年 12 月 2 日",
)


class EventKind(StrEnum):
    """What is said of an incident, one event at a time."""

    OPENED = "opened"
    CLASSIFIED = "classified"
    EVIDENCE = "evidence"
    CLOSED = "closed"


class IncidentRule(BaseModel):
    """A class of incidents, and how many hours it leaves to report from the moment somebody became aware.

    hours: None where no rule sets a time.  status: whether it is in force.  as_of: when the source was read.  review_by: from
    this day on it is shown as out of date.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)

    id: str = Field(pattern=r"^[a-z][a-z0-9-]{1,40}$")
    title: str = Field(min_length=3, max_length=200)
    title_zh: str = Field(default="", max_length=200)
    hours: int | None = Field(default=None, ge=1, le=24 * 366)
    source: str = Field(min_length=3, max_length=400)
    status: Literal["in force", "draft", "not yet in force", "own rule"] = "own rule"
    note: str = Field(default="", max_length=400)
    note_zh: str = Field(default="", max_length=400)
    as_of: date
    review_by: date

    def title_in(self, language: str) -> str:
        """Return the title in a language of the command line."""
        return self.title_zh if language == "zh-TW" and self.title_zh else self.title


def _rule(
    name: str,
    hours: int | None,
    title: str,
    title_zh: str,
    source: str,
    status: Any,
    notes: tuple[str, str] = ("", ""),
) -> IncidentRule:
    return IncidentRule(
        id=name,
        hours=hours,
        title=title,
        title_zh=title_zh,
        source=source,
        status=status,
        note=notes[0],
        note_zh=notes[1],
        as_of=date(2026, 12, 1),
        review_by=date(2027, 6, 1),
    )


def shipped_rules() -> tuple[IncidentRule, ...]:
    """Return the classes that come with Staffroom, as their sources were read on one day."""
    return (
        _rule(
            "eu-critical",
            48,
            "Serious and irreversible disruption of critical infrastructure",
            "關鍵基礎設施遭受嚴重且無法復原的中斷",
            f"{_EU}, Article 73(3) with Article 3(49)(b)",
            "not yet in force",
            _EU_NOTE,
        ),
        _rule(
            "eu-widespread",
            48,
            "Widespread infringement",
            "大範圍的侵權",
            f"{_EU}, Article 73(3) with Article 3(61)",
            "not yet in force",
            _EU_NOTE,
        ),
        _rule(
            "eu-death",
            240,
            "Death of a person",
            "有人死亡",
            f"{_EU}, Article 73(4)",
            "not yet in force",
            _EU_NOTE,
        ),
        _rule(
            "eu-serious",
            360,
            "Other serious incident: harm to health, fundamental rights, property or the environment",
            "其他嚴重事件：危害健康、基本權利、財產或環境",
            f"{_EU}, Article 73(2) with Article 3(49)(a), (c), (d)",
            "not yet in force",
            _EU_NOTE,
        ),
        _rule(
            "tw-personal-data",
            72,
            "Personal data stolen, altered, damaged, lost or leaked",
            "個人資料被竊取、竄改、毀損、滅失或洩漏",
            "個人資料保護法（114 年 11 月 11 日修正公布）第 12 條；個人資料事故通知通報及應變辦法草案（115 年 1 月 22 日預告）",
            "draft",
            (
                "the 72 hours stand in the draft; look whether it is in force, and from how many records on it applies",
                "72 小時出自草案；請確認是否已施行，以及多少筆以上才須通報",
            ),
        ),
        _rule(
            "tw-cyber-agency",
            1,
            "Cyber security incident at a government agency",
            "公務機關發生資通安全事件",
            "資通安全事件通報及應變辦法（110 年 8 月 23 日修正）第 4 條；115 年 1 月 5 日更名為資通安全事件通報應變及演練辦法",
            "in force",
            (
                "the hour was read in the version of 2021; look whether the one of 2026 keeps it",
                "一小時出自 110 年版本；請確認 115 年版本是否相同",
            ),
        ),
        _rule(
            "internal",
            None,
            "To be looked into; no duty to report is known",
            "需要調查；目前沒有已知的通報義務",
            "none",
            "own rule",
        ),
    )


@dataclass(frozen=True, slots=True)
class Clock:
    """A duty to report: until when, and when it was done. due: None where nobody has set a time."""

    rule: str
    hours: int | None
    due: datetime | None
    reported: datetime | None = None

    @property
    def runs(self) -> bool:
        """Whether a report is still due."""
        return self.due is not None and self.reported is None

    @property
    def late(self) -> bool:
        """Whether what was reported was reported too late."""
        return self.due is not None and self.reported is not None and self.reported > self.due

    def told(self, at: datetime) -> "Clock":
        """Return the clock stopped by a report; the first one counts."""
        return self if self.reported is not None else replace(self, reported=at)


def clock_of(rule: IncidentRule, aware: datetime, due: datetime | None = None) -> Clock:
    """Return the clock that a rule sets: exactly so many hours after somebody became aware, never later than a law's own days.

    due: the end that a person sets for a rule without hours.
    """
    if rule.hours is None:
        return Clock(rule.id, None, due)
    return Clock(rule.id, rule.hours, aware.astimezone(UTC) + timedelta(hours=rule.hours))


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """One event of an incident, as it is kept: `data` are the bytes that the log commits to."""

    incident: str
    number: int
    kind: EventKind
    content: Mapping[str, Any]

    @property
    def data(self) -> bytes:
        """The event in its canonical form (RFC 8785)."""
        frame = {"incident": self.incident, "number": self.number, "kind": self.kind.value}
        return canonical_json({**frame, **self.content})

    @property
    def file_name(self) -> str:
        """The name of its file."""
        return f"{self.number:04d}-{self.kind.value}.json"
