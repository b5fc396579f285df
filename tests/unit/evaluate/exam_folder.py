"""Writes exam packs of an invented town for the tests of this folder."""

import json
from pathlib import Path
from typing import Any

EXAM = """\
name: harbour-town
version: 1
locale: zh-TW
declines: ["文件(?:中|裡)?(?:並)?沒有", "無法確認"]
facets:
  choice: {threshold: 0.50, gated: true}
  short: {gated: false}
  unanswerable:
    threshold: 0.30
    gated: true
splits: {screen: 0.2, gate: 0.4, sealed: 0.4, seed: "harbour-1", stratify: kind}
scorers: {choice: 1, short: 1, unanswerable: 1}
"""


def choice(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"c-{number}",
        "cluster": f"bylaw-{number // 2}",
        "kind": "choice",
        "input": f"第{number}號公告規定，海濱公園的開放時間是什麼時候？",
        "choices": [f"上午{number}時", f"下午{number}時", f"晚上{number}時", "不開放"],
        "accept": ["ABCD"[number % 4]],
        "reference": f"公告{number}",
        **fields,
    }


def short(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"s-{number}",
        "cluster": f"bylaw-{number}",
        "kind": "short",
        "input": f"停放{number}號碼頭的小船，每天要繳多少錢？",
        "accept": [f"(?<![0-9]){number}00元"],
        "reject": ["免費"],
        "answer": f"每天 {number}00 元",
        "reference": f"收費表第{number}列",
        **fields,
    }


def unanswerable(number: int, **fields: Any) -> dict[str, Any]:
    return {
        "id": f"u-{number}",
        "kind": "unanswerable",
        "input": f"鎮長家的第{number}隻貓叫什麼名字？",
        "accept": ["沒有(?:寫|記載)|無法確認"],
        "reject": ["咪"],
        "answer": "文件沒有記載。",
        **fields,
    }


def rows() -> list[dict[str, Any]]:
    return [
        *(choice(number) for number in range(40)),
        *(short(number) for number in range(1, 21)),
        *(unanswerable(number) for number in range(20)),
    ]


def write_pack(folder: Path, items: list[dict[str, Any]] | None = None, exam: str = EXAM) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False) for row in (rows() if items is None else items)]
    (folder / "items.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "exam.yaml").write_text(exam, encoding="utf-8")
    (folder / "SOURCES.md").write_text("Written for these tests.\n", encoding="utf-8")
    return folder
