"""`staffroom incident` as people use it, in both languages."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from command_line import CommandLine

from staffroom.cli.language import words_of
from staffroom.cli.local_time import local_text, read_local, time_left
from staffroom.records.errors import WrongUse


@pytest.fixture(autouse=True)
def taipei(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setenv("TZ", "Asia/Taipei")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_an_incident_from_beginning_to_end(staffroom: CommandLine, tmp_path: Path) -> None:
    letter = tmp_path / "letter.txt"
    letter.write_text("a complaint")
    said = staffroom("incident", "open", "A wrong fee", "--aware", "2026-01-05 09:30", "--text", "said 300")
    assert said.status == 0 and "Known since Mon 5 Jan 2026, 09:30 (UTC+08:00)" in said.out
    assert "staffroom incident classify inc-" in said.out and "suspend" not in said.out
    name = staffroom("incident", "list", "--json").json["incidents"][0]["incident"]
    listed = staffroom("incident", "classify", name)
    for part in ("eu-death", "10 d", "tw-cyber-agency", "1 h", "3 d", "2024/1689"):
        assert part in listed.out, part
    said = staffroom("incident", "classify", name, "eu-death")
    assert "report until Thu 15 Jan 2026, 09:30 (UTC+08:00) – overdue by" in said.out
    said = staffroom("incident", "attach", name[:12], letter, "--note", "by post")
    assert "letter.txt  11 B" in said.out and "by post" in said.out
    assert staffroom("incident", "close", name, "--note", "mended").status == 2
    said = staffroom("incident", "attach", name, letter, "--report", "eu-death", "--sent", "2026-01-20")
    assert "reported Tue 20 Jan 2026, 00:00 (UTC+08:00); too late" in said.out
    assert "Unchanged: 4 events, 2 pieces of evidence." in staffroom("incident", "verify", name).out
    said = staffroom("incident", "export", name, tmp_path / "out.zip")
    assert said.status == 0 and "hand it only to those who may know" in said.out
    said = staffroom("incident", "close", name, "--note", "mended")
    assert said.status == 0 and "[closed]" in said.out and "Closed: mended" in said.out
    assert staffroom("log", "verify").status == 0
    kept = staffroom.home / "private" / "incidents" / name / "events" / "0001-opened.json"
    kept.chmod(0o600)
    kept.write_bytes(kept.read_bytes().replace(b"300", b"200"))
    said = staffroom("incident", "verify", name)
    assert said.status == 3 and "it was changed" in said.out


def test_in_chinese(staffroom: CommandLine) -> None:
    staffroom.environment = {"STAFFROOM_LANG": "zh-TW"}
    assert "沒有任何事件" in staffroom("incident", "list").out
    said = staffroom("incident", "open", "規費說錯", "--aware", "2026-01-05 09:30")
    assert "知悉時間：2026 年 1 月 5 日（一）09:30" in said.out
    name = json.loads(staffroom("incident", "list", "--json").out)["incidents"][0]["incident"]
    said = staffroom("incident", "classify", name, "eu-death", "tw-personal-data")
    assert "應在 2026 年 1 月 15 日（四）09:30 前通報 – 已逾期" in said.out
    assert "個人資料被竊取" in said.out and "草案；72 小時出自草案" in said.out
    assert "不是時間" in staffroom("incident", "open", "規費說錯", "--aware", "昨天").err


def test_times_are_read_and_said_in_the_local_zone() -> None:
    t = words_of("en")
    read = read_local(t, "2026-12-01 14:30", "--aware")
    assert read is not None and read.isoformat() == "2026-12-01T06:30:00+00:00"
    assert read_local(t, "2026-12-01T14:30Z", "--aware") == read_local(t, "2026-12-01 22:30", "--aware")
    assert read_local(t, " ", "--aware") is None
    for wrong in ("tomorrow", "2026-13-01", "1-2-3", "9" * 30):
        with pytest.raises(WrongUse):
            read_local(t, wrong, "--aware")
    assert local_text("2026-12-01T16:30:00.000000Z", "en") == "Wed 2 Dec 2026, 00:30 (UTC+08:00)"
    assert local_text("2026-12-01T16:30:00.000000Z", "zh-TW") == "2026 年 12 月 2 日（三）00:30"
    assert time_left(t, 3 * 86_400 + 7200) == "3 d 2 h left"
    assert time_left(t, 3660) == "1 h 1 min left"
    assert time_left(words_of("zh-TW"), -90_000) == "已逾期 1 天 1 小時"
