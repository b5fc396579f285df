"""Local data in the layouts that real tasks of lm-eval read, made from the acceptance data.

Contents do not matter here, forms do: each set has the field names, types and splits of the set that its task fetches.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["TASKS", "write_data"]

LETTERS = "ABCD"

# Task file (below lm_eval/tasks), data of each split, worked examples a prompt (None: as the task says).
TASKS: Sequence[tuple[str, Mapping[str, str], int | None]] = (
    ("arc/arc_easy.yaml", {"test": "arc", "train": "arc"}, None),
    ("arc/arc_easy.yaml", {"test": "arc", "train": "arc"}, 3),
    ("sciq/sciq.yaml", {"test": "sciq", "train": "sciq", "validation": "sciq"}, None),
    ("super_glue/boolq/default.yaml", {"validation": "boolq", "train": "boolq"}, 2),
    ("cmmlu/cmmlu_anatomy.yaml", {"test": "cmmlu", "dev": "cmmlu_dev"}, 5),
    ("ceval/ceval-valid_law.yaml", {"val": "ceval", "dev": "ceval"}, None),
    ("mmlu/default/mmlu_abstract_algebra.yaml", {"test": "mmlu", "dev": "mmlu_dev"}, 5),
    ("belebele/belebele_zho_Hant.yaml", {"test": "belebele"}, 3),
    ("commonsense_qa/default.yaml", {"validation": "csqa", "train": "csqa"}, 2),
    ("openbookqa/openbookqa.yaml", {"test": "obqa", "train": "obqa", "validation": "obqa"}, None),
    ("kmmlu/default/kmmlu_accounting.yaml", {"test": "kmmlu", "dev": "kmmlu", "train": "kmmlu"}, 2),
    ("swag/swag.yaml", {"validation": "swag", "train": "swag"}, None),
    ("mgsm/direct/mgsm_direct_zh.yaml", {"test": "mgsm", "train": "mgsm"}, None),
    ("triviaqa/default.yaml", {"validation": "triviaqa", "train": "triviaqa"}, None),
    ("gsm8k/gsm8k.yaml", {"test": "gsm8k", "train": "gsm8k_train"}, None),
    ("nq_open/nq_open.yaml", {"validation": "nq", "train": "nq_train"}, 3),
    ("bbh/fewshot/boolean_expressions.yaml", {"test": "bbh"}, None),
)


def write_data(data: Path, folder: Path) -> dict[str, Path]:
    """Write all sets below `folder` from the acceptance data at `data`; return their files by name."""
    exam = _rows(data / "tmmlu" / "tmmlu.jsonl")
    culture = _rows(data / "ttqa" / "ttqa.jsonl")
    words = _rows(data / "superlim" / "swesat-synonyms_test.jsonl")
    yes_no = _rows(data / "acva-saudi" / "acva-saudi.jsonl")
    prompts = _rows(data / "xstest" / "prompts.jsonl")
    sets = {
        **_choices(exam, culture, words),
        "sciq": [
            {
                "support": row["note"] or "no note",
                "question": row["prompt"],
                "distractor1": "no",
                "distractor2": "never",
                "distractor3": "maybe",
                "correct_answer": row["label"],
            }
            for row in prompts[:80]
        ],
        "boolq": [
            {"passage": row["question"], "question": "صحيح", "label": int(row["answer"] == "نعم")}
            for row in yes_no
        ],
        **_written(exam, culture, words, prompts),
    }
    files = {name: folder / f"{name}.jsonl" for name in sets}
    for name, rows in sets.items():
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        files[name].write_text("\n".join(lines) + "\n", encoding="utf-8")
    return files


def _choices(
    exam: Sequence[Any], culture: Sequence[Any], words: Sequence[Any]
) -> dict[str, list[dict[str, Any]]]:
    return {
        "arc": [
            {
                "question": row["question"],
                "choices": {"text": row["choices"], "label": list(LETTERS)},
                "answerKey": row["answer"],
            }
            for row in exam[:120]
        ],
        "cmmlu": [_spread(row, "Question", "Answer") for row in exam[100:220]],
        "cmmlu_dev": [_spread(row, "Question", "Answer") for row in exam[220:230]],
        "ceval": [
            {"id": place, **_spread(row, "question", "answer")} for place, row in enumerate(exam[300:420])
        ],
        "mmlu": [_placed(row) for row in culture],
        "mmlu_dev": [_placed(row) for row in exam[500:505]],
        "belebele": [
            {
                "flores_passage": row["subject"],
                "question": f" {row['question']} ",
                **{f"mc_answer{place + 1}": choice for place, choice in enumerate(row["choices"])},
                "correct_answer_num": str(1 + LETTERS.index(row["answer"])),
            }
            for row in exam[600:720]
        ],
        "csqa": [
            {
                "question": row["item"],
                "choices": {"label": list("ABCDE"), "text": row["candidate_answers"]},
                "answerKey": "ABCDE"[row["label"]],
            }
            for row in words[200:320]
        ],
        "obqa": [
            {
                "question_stem": row["question"],
                "choices": {"label": list(LETTERS), "text": row["choices"]},
                "answerKey": row["answer"],
            }
            for row in exam[900:1000]
        ],
        "kmmlu": [
            {**_spread(row, "question", "letter"), "answer": 1 + LETTERS.index(row["answer"])}
            for row in exam[1000:1100]
        ],
        "swag": [
            {
                "startphrase": row["question"],
                **{f"ending{place}": choice for place, choice in enumerate(row["choices"])},
                "label": LETTERS.index(row["answer"]),
            }
            for row in exam[1100:1160]
        ],
    }


def _written(
    exam: Sequence[Any], culture: Sequence[Any], words: Sequence[Any], prompts: Sequence[Any]
) -> dict[str, list[dict[str, Any]]]:
    right = [row["choices"][LETTERS.index(row["answer"])] for row in culture]
    return {
        "mgsm": [
            {"question": f"{row['question']}（{place}）", "answer": None, "answer_number": place * 37 % 2003}
            for place, row in enumerate(exam[800:900])
        ],
        "triviaqa": [
            {
                "question": row["question"].rstrip("?？"),
                "answer": {"value": answer, "aliases": [answer, f"The {row['choices'][0]}"]},
            }
            for row, answer in zip(culture, right, strict=True)
        ],
        "nq": [_synonym(row) for row in words[:100]],
        "nq_train": [_synonym(row) for row in words[100:160]],
        "gsm8k": [
            {
                "question": f"{row['prompt']} {place}",
                "answer": f"Because 3+4=7.\n#### {place * 1237 % 100003:,}",
            }
            for place, row in enumerate(prompts[:120])
        ],
        "gsm8k_train": [
            {"question": f"{row['prompt']} {place}", "answer": f"Because.\n#### {place}"}
            for place, row in enumerate(prompts[120:200])
        ],
        "bbh": [
            {"input": f"not ( {place % 2 == 1} ) and {place}", "target": str(place % 3 != 0)}
            for place in range(60)
        ],
    }


def _rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _spread(row: Mapping[str, Any], question: str, answer: str) -> dict[str, Any]:
    return {
        question: row["question"],
        **dict(zip(LETTERS, row["choices"], strict=True)),
        answer: row["answer"],
    }


def _placed(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"question": row["question"], "choices": row["choices"], "answer": LETTERS.index(row["answer"])}


def _synonym(row: Mapping[str, Any]) -> dict[str, Any]:
    answers: Iterable[str] = [row["candidate_answers"][row["label"]]]
    return {"question": row["item"], "answer": list(answers)}
