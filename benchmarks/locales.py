"""How often the locale checks raise a false alarm on native text, and what they catch, beside zhtw and OpenCC.

Taiwan, on the 1,968 pairs of Android's interface (zh-CN beside zh-TW), in one run:
- native: the zh-TW strings. A false alarm is any fault of any check.
- mainland-worded: the zh-CN strings in Taiwan's script (OpenCC s2tw), those that then differ from the zh-TW string.
- Simplified: the zh-CN strings as they are, those that OpenCC s2t changes (the others are written alike in both scripts).
zhtw and OpenCC's s2twp find a string where they would change it. No rule was written from these pairs; `design/locale.md` says on what
text the rules were developed and how often these figures were looked at.

Native prose beside it: the statutes, the TMMLU and TTQA questions (zh-TW), the Winograd sentences (sv-SE) and the
statements on Saudi Arabia (ar-SA).
"""

import argparse
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from staffroom.text.lint import LintReport, lint, lint_rate

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
GOALS = {"false_alarms": 0.02, "mainland_words": 0.50, "simplified": 0.99}


def main() -> int:
    """Run the benchmark and print its JSON object as the last line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the acceptance data")
    options = parser.parse_args()
    pairs = options.data / "zhtw-pairs" / "aosp.jsonl"
    if not pairs.exists():
        print(f"the acceptance data are not there: {pairs}", file=sys.stderr)
        return 2
    measures = [*measure_taiwan(read(pairs)), *measure_prose(options.data)]
    versions = {
        "zhtw": version("zhtw"),
        "opencc": version("opencc"),
        "lingua": version("lingua-language-detector"),
    }
    print(json.dumps({"benchmark": "locales", "measures": measures, "versions": versions}))
    return 0 if all(row["holds"] for row in measures) else 1


def measure_taiwan(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the three measures on the pairs, and print the peers' beside them."""
    from opencc import OpenCC
    from zhtw import convert

    taiwans, general, wording = OpenCC("s2tw").convert, OpenCC("s2t").convert, OpenCC("s2twp").convert
    native = [row["expected"] for row in rows]
    mainland = [text for row in rows if (text := taiwans(row["input"])) != row["expected"]]
    simplified = [row["input"] for row in rows if general(row["input"]) != row["input"]]
    finders: dict[str, Callable[[str], bool]] = {
        "staffroom": lambda text: not lint(text, "zh-TW").clean,
        "zhtw": lambda text: convert(text) != text,
        "OpenCC s2twp": lambda text: wording(text) != text,
    }
    print(f"{'':14}{'native ' + str(len(native)):>14}{'mainland ' + str(len(mainland)):>16}", end="")
    print(f"{'Simplified ' + str(len(simplified)):>18}{'ms a text':>12}")
    ours: list[float] = []
    for name, finds in finders.items():
        finds(native[0])
        begun = time.perf_counter()
        shares = [sum(map(finds, texts)) / len(texts) for texts in (native, mainland, simplified)]
        each = (time.perf_counter() - begun) * 1000 / (len(native) + len(mainland) + len(simplified))
        print(f"{name:14}{shares[0]:>14.1%}{shares[1]:>16.1%}{shares[2]:>18.1%}{each:>12.2f}")
        ours = ours or shares
    print_rules("native", (lint(text, "zh-TW") for text in native))
    return [
        at_most("zh_tw_false_alarms", ours[0], GOALS["false_alarms"]),
        at_least("zh_tw_mainland_words", ours[1], GOALS["mainland_words"]),
        at_least("zh_tw_simplified", ours[2], GOALS["simplified"]),
    ]


def measure_prose(data: Path) -> list[dict[str, Any]]:
    """Return the false alarms on other native text, one measure a locale."""
    exams = [*read(data / "tmmlu/tmmlu.jsonl"), *read(data / "ttqa/ttqa.jsonl")]
    statutes = sorted((data / "tw-law/documents").glob("*.md"))
    texts = {
        "zh-TW": [
            text
            for text in (
                *(text for row in exams for text in (row["question"], *row["choices"])),
                *(line for path in statutes for line in path.read_text(encoding="utf-8").splitlines()),
            )
            if re.search(r"[一-鿿]", text)
        ],
        "sv-SE": sorted({row["text"] for row in read(data / "superlim/swewinograd_test.jsonl")}),
        "ar-SA": [row["question"] for row in read(data / "acva-saudi/acva-saudi.jsonl")],
    }
    measures = []
    for locale, some in texts.items():
        reports = [lint(text, locale) for text in some]
        rate = lint_rate(reports)
        print(
            f"{locale}: {rate.faulty} of {rate.texts} native texts, {rate.per_thousand:.2f} a 1,000 characters"
        )
        print_rules(locale, reports)
        name = f"{locale.lower().replace('-', '_')}_false_alarms_prose"
        measures.append(at_most(name, rate.share, GOALS["false_alarms"]))
    return measures


def print_rules(name: str, reports: Iterable[LintReport]) -> None:
    """Print which rules raised the alarms, and how often."""
    rules = Counter(f"{one.check}.{one.rule}" for report in reports for one in report.faults)
    print(f"  {name}: " + (", ".join(f"{rule} {count}" for rule, count in rules.most_common()) or "none"))


def read(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def at_most(name: str, value: float, goal: float) -> dict[str, Any]:
    """Return a measure that should be small."""
    return {"name": name, "value": round(value, 4), "goal": goal, "better": "lower", "holds": value <= goal}


def at_least(name: str, value: float, goal: float) -> dict[str, Any]:
    """Return a measure that should be large."""
    return {"name": name, "value": round(value, 4), "goal": goal, "better": "higher", "holds": value >= goal}


if __name__ == "__main__":
    sys.exit(main())
