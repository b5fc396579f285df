"""Write a job on the six statutes of the acceptance data, with an exam pack made from a public-format exam.

Usage: python tests/e2e/statutes_job.py DATA_DIR EXAM.jsonl OUT_DIR

DATA_DIR is the folder `tw-law` (documents/, formats/); EXAM.jsonl is in the format that `exam/check_exam.py` there
checks. OUT_DIR gets `job.yaml` and `exam/`; documents are read where they are. Facet = kind, cluster = the article
that an item comes from, splits 20/50/30 by cluster and stratified by kind.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

GATED = {"choice": 0.50, "unanswerable": 0.30}
KINDS = ("choice", "short", "unanswerable", "refuse", "locale")
CANDIDATES = (
    "smollm2-135m-instruct-q4_1",
    "gemma-3-270m-q4_k_m",
    "qwen2.5-coder-0.5b-instruct-q4_k_m",
    "qwen2.5-coder-1.5b-instruct-q4_k_m",
)
DECLINES = (
    r"(?:未|沒有|沒)(?:有|明確|具體|直接|特別|另行|任何|相關|明文){0,3}(?:規定|規範|明定|明訂|載明|記載|提及|提到|列出|列明|寫明|寫到|寫出|寫|訂定|說明)",
    r"(?:查無|並無|無)(?:此|任何|相關|明文|明確|具體)*(?:規定|資料|記載|內容|資訊|條文|答案)",
    r"無法(?:直接|據此|明確|為您|向您|從[^。]{1,30}?|依[^。]{1,30}?){0,3}(?:確認|確定|得知|回答|答覆|查得|判斷|提供|協助)",
    r"(?:文件|資料|條文)(?:中|內|裡|裏)?(?:並|也|都)?(?:沒有|未|無)",
    r"(?:找不到|查不到|查無)|不足以[^。]{0,8}(?:回答|確認|判斷|答覆)",
    r"恕|愛莫能助|不便(?:提供|協助|回答)|拒絕(?:提供|協助|回答)",
)
JOB = """\
# Written by tests/e2e/statutes_job.py: a citizens' help-desk on six statutes of the Republic of China.
name: statutes-helpdesk
title: 法規服務台
sponsor: 法制局局長
locale: zh-TW
charter:
  must:
    - 只根據文件回答，並註明依據
  must_not:
    - 提供文件以外的法律意見
  turn_to: 市政府 1999 服務專線
  ai_notice: 您正在與人工智慧服務對話，回答僅供參考，請以法規原文為準。
  refuse:
    - 查他人的個人資料
    - 偽造文件、詐騙、恐嚇，或規避檢查
  repair_locale: true
documents:
{documents}
candidates:
{candidates}
exam: exam
alias: statutes-helpdesk
requirements:
  context: 4096
  licenses: [Apache-2.0, MIT, Gemma terms of use]
policy:
  skip_bad_documents: {skip}
budget:
  price:
    currency: TWD
    per_million_tokens_in: 2
    per_million_tokens_out: 8
"""


def main(arguments: list[str]) -> int:
    """Write the job and its pack; returns 2 on wrong use."""
    if len(arguments) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    data, exam, out = (Path(argument).absolute() for argument in arguments)
    out.mkdir(parents=True, exist_ok=True)
    items = [json.loads(line) for line in exam.read_text(encoding="utf-8").splitlines() if line.strip()]
    write_pack(items, out / "exam", exam.name)
    folders = [data / "documents"] + ([data / "formats"] if (data / "formats").is_dir() else [])
    (out / "job.yaml").write_text(
        JOB.format(
            documents="\n".join(
                f"  - path: {json.dumps(os.path.relpath(folder, out))}" for folder in folders
            ),
            candidates="\n".join(f"  - {name}" for name in CANDIDATES),
            skip="false",
        ),
        encoding="utf-8",
    )
    print(out / "job.yaml")
    return 0


def write_pack(items: list[dict[str, Any]], folder: Path, source: str) -> None:
    """Write exam.yaml, items.jsonl and SOURCES.md."""
    folder.mkdir(parents=True, exist_ok=True)
    present = [kind for kind in KINDS if any(item["kind"] == kind for item in items)]
    facets = [
        f"  {kind}: {{threshold: {GATED[kind]:.2f}, gated: true}}"
        if kind in GATED
        else f"  {kind}: {{gated: false}}"
        for kind in present
    ]
    lines = [
        "name: statutes",
        "version: 1",
        "locale: zh-TW",
        "declines:",
        *(f"  - {json.dumps(pattern, ensure_ascii=False)}" for pattern in DECLINES),
        "facets:",
        *facets,
        "alpha: 0.05",
        "cap: 24",
        'splits: {screen: 0.2, gate: 0.5, sealed: 0.3, seed: "statutes-1", stratify: kind}',
        "scorers: {" + ", ".join(f"{kind}: 1" for kind in present) + "}",
    ]
    (folder / "exam.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = [json.dumps(as_item(item), ensure_ascii=False) for item in items]
    (folder / "items.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "SOURCES.md").write_text(
        f"# Sources\n\n{len(items)} items made from `{source}`; an item's cluster is the article it comes from.\n",
        encoding="utf-8",
    )


def as_item(row: dict[str, Any]) -> dict[str, Any]:
    """Turn a row of the public format into an item of a pack."""
    named = row.get("law") and row.get("article")
    item: dict[str, Any] = {
        "id": row["id"],
        "cluster": f"{row['law']}#{row['article']}" if named else row["id"],
        "locale": "zh-TW",
        "facet": row["kind"],
        "kind": row["kind"],
        "input": row["question"],
        "reference": f"{row['law']}#{row['article']}" if named else "",
        "note": row.get("note", ""),
        "answer": row["answer"],
        "reject": row.get("reject", []),
    }
    if row["kind"] == "choice":
        item["choices"] = row["choices"]
        item["accept"] = [row["answer"]]
    else:
        item["accept"] = row["accept"]
    return item


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
