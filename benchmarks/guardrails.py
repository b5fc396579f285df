"""How well the guardrails find what they are for, how often they raise a false alarm, and what they cost.

Personal data: made-up values in sentences written for this (`guardrail_texts/`): a development half, on which the patterns were
fixed, and a held-out half with other sentences, by which they are judged. A value is found where one finding of its kind covers
it; every other finding is a false alarm, and so is any in native text (statutes, examinations, XSTest, interface strings, Swedish
and Arabic sentences), none of which has personal data. The same sentences go through the stream guard three characters at a time.
Other guardrails: false alarms of secrets, topics and locale on the native text; citations true and falsified, made from the statutes.
Time: processor time for 4 KB of native text with a sentence of the development half every four, the best of three.
"""

import argparse
import json
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from guardrail_texts.values import digits, fill
from ruamel.yaml import YAML

from staffroom.onboard.guardrails import guardrail_plan
from staffroom.records.agent import Retrieved
from staffroom.records.guardrails import GuardrailPlan
from staffroom.records.job_description import JobDescription
from staffroom.serve.guardrails import CitationCheck, TextGuard
from staffroom.text.personal import find_personal

HERE = Path(__file__).resolve().parent
DATA = HERE.parents[1] / "shared" / "data"
CHECKED = ("national_id", "arc", "ubn", "card", "iban")
GOALS = {"checked": 0.99, "address_recall": 0.95, "ms": 5.0, "false_alarms": 0.01, "caught": 0.95}
TOPICS = [
    {"name": "elections", "words": ["投票給", "選誰", "支持哪個政黨", "vote for", "which party"]},
    {"name": "investments", "words": ["買哪支股票", "飆股", "投資建議", "which stock", "investment advice"]},
    {
        "name": "diagnoses",
        "words": ["我得了什麼病", "幫我診斷", "開什麼藥", "diagnose me", "what disease do i have"],
    },
]


def main() -> int:
    """Run the benchmark and print its JSON object as the last line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=DATA, help="folder of the acceptance data")
    parser.add_argument("--rounds", type=int, default=40, help="times each sentence is filled anew")
    parser.add_argument("--seed", type=int, default=2026)
    options = parser.parse_args()
    if not (options.data / "tw-law").is_dir():
        print(f"the acceptance data are not there: {options.data}", file=sys.stderr)
        return 2
    native = native_texts(options.data)
    alarms = native_findings(native)
    measures = [
        row
        for half in ("development", "held-out")
        for row in measure_half(half, alarms, options.rounds, options.seed)
    ]
    measures += measure_native(native, alarms)
    measures += measure_citations(options.data, options.seed)
    measures += measure_time(native, options.seed)
    versions = {"staffroom": version("staffroom")}
    print(json.dumps({"benchmark": "guardrails", "measures": measures, "versions": versions}))
    return 0 if all(row["holds"] for row in measures) else 1


def native_texts(data: Path) -> list[tuple[str, str]]:
    """Return (locale, text) of native texts without personal data."""
    exams = [*rows(data / "tmmlu/tmmlu.jsonl"), *rows(data / "ttqa/ttqa.jsonl")]
    law = [
        line
        for path in sorted((data / "tw-law/documents").glob("*.md"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    texts = [
        *(("zh-TW", text) for row in exams for text in (row["question"], *row["choices"])),
        *(("zh-TW", line) for line in law),
        *(("zh-TW", row["expected"]) for row in rows(data / "zhtw-pairs/aosp.jsonl")),
        *(("en", row["prompt"]) for row in rows(data / "xstest/prompts.jsonl")),
        *(("sv-SE", row["text"]) for row in rows(data / "superlim/swewinograd_test.jsonl")),
        *(("ar-SA", row["question"]) for row in rows(data / "acva-saudi/acva-saudi.jsonl")),
    ]
    return [(locale, text) for locale, text in texts if text.strip()]


def native_findings(native: Sequence[tuple[str, str]]) -> Counter[str]:
    """Return how often each kind of personal data is found where there is none."""
    found: Counter[str] = Counter()
    for _, text in native:
        for each in find_personal(text):
            found[each.kind.value] += 1
            print(f"  in native text: {each.kind.value} {text[each.start : each.end]!r}")
    characters = sum(len(text) for _, text in native)
    print(f"native: {len(native)} texts, {characters} characters, {sum(found.values())} findings")
    return found


def measure_half(half: str, alarms: Counter[str], rounds: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield precision and recall of each kind on one half; only the held-out half has goals."""
    wanted: Counter[str] = Counter()
    hit: Counter[str] = Counter()
    false: Counter[str] = Counter(alarms)
    left = values = 0
    guard = TextGuard(plan_of("zh-TW"))
    for number, (text, gold) in enumerate(filled(half, rounds, seed)):
        free = [(each.kind.value, each.start, each.end) for each in find_personal(text)]
        for kind, start, end in gold:
            wanted[kind] += 1
            over = next(
                (each for each in free if each[0] == kind and each[1] <= start and end <= each[2]), None
            )
            if over is not None:
                hit[kind] += 1
                free.remove(over)
        false.update(kind for kind, _, _ in free)
        if number % 4 == 0:
            served = in_pieces(guard, text)
            values += len(gold)
            left += sum(text[start:end] in served for _, start, end in gold)
    held_out = half == "held-out"
    prefix = "" if held_out else "development_"
    for kind in sorted(wanted):
        precision = hit[kind] / max(1, hit[kind] + false[kind])
        recall = hit[kind] / wanted[kind]
        print(f"{half:12}{kind:12}{wanted[kind]:6} values  precision {precision:.4f}  recall {recall:.4f}")
        checked = GOALS["checked"] if held_out and kind in CHECKED else None
        address = GOALS["address_recall"] if held_out and kind == "address" else None
        yield at_least(f"{prefix}{kind}_precision", precision, checked)
        yield at_least(f"{prefix}{kind}_recall", recall, checked or address)
    print(f"{half:12}in streams: {left} of {values} values were served")
    yield at_most(
        f"{prefix}served_in_streams", left / max(1, values), GOALS["false_alarms"] if held_out else None
    )


def in_pieces(guard: TextGuard, text: str) -> str:
    """Return what is served of a text that comes three characters at a time."""
    answer = guard.answer(repair=False)
    pieces = [answer.feed(text[place : place + 3]) for place in range(0, len(text), 3)]
    return "".join([*pieces, answer.finish()])


def measure_native(native: Sequence[tuple[str, str]], alarms: Counter[str]) -> Iterator[dict[str, Any]]:
    """Yield the share of native texts in which each guardrail on answers rules anything."""
    guards = {locale: TextGuard(plan_of(locale)) for locale in ("zh-TW", "en", "sv-SE", "ar-SA")}
    ruled: Counter[str] = Counter()
    for locale, text in native:
        answer = guards[locale].answer()
        answer.feed(text)
        answer.finish()
        ruled.update({ruling.guardrail for ruling in answer.rulings})
    personal = sum(alarms.values()) / len(native)
    yield at_most("personal_data_false_alarms", personal, GOALS["false_alarms"])
    for name in ("secrets", "forbidden_topics", "locale"):
        print(f"native: {name} ruled on {ruled[name]} of {len(native)} texts")
        yield at_most(f"{name}_false_alarms", ruled[name] / len(native), GOALS["false_alarms"])
    secrets = [made for _ in range(40) for made in made_secrets(random.Random(len(native)))]
    caught = sum(
        secret not in in_pieces(guards["zh-TW"], f"設定如下：{secret} 請妥善保管。") for secret in secrets
    )
    yield at_least("secrets_caught", caught / len(secrets), GOALS["caught"])


def made_secrets(rng: random.Random) -> list[str]:
    """Return made-up secrets of several forms."""

    def signs(count: int, of: str = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789") -> str:
        return "".join(rng.choice(of) for _ in range(count))

    block = "\n".join(signs(64) for _ in range(12))
    return [
        *(
            f"sk-{signs(48)}",
            f"ghp_{signs(36)}",
            f"AKIA{signs(16, 'ABCDEFGHJKLMNPQRSTUVWXYZ234567')}",
            f"hf_{signs(34)}",
        ),
        *(
            f"eyJ{signs(30)}.eyJ{signs(80)}.{signs(43)}",
            f"glpat-{signs(20)}",
            f"xoxb-{digits(rng, 12)}-{signs(24)}",
        ),
        f"-----BEGIN RSA PRIVATE KEY-----\n{block}\n-----END RSA PRIVATE KEY-----",
        f"sr-{signs(12, '0123456789abcdef')}-{signs(64, '0123456789abcdef')}",
    ]


def measure_citations(data: Path, seed: int) -> Iterator[dict[str, Any]]:
    """Yield false alarms on true citations of the statutes, and how many falsified ones are caught."""
    rng = random.Random(seed)
    lines = [
        line.strip()
        for path in sorted((data / "tw-law/documents").glob("*.md"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if len(line.strip()) > 40
    ]
    plan = plan_of("zh-TW")
    counts: Counter[str] = Counter()
    for _ in range(600):
        text, other = rng.sample(lines, 2)
        found = (chunk("a", text), chunk("b", other))
        # Whole clauses, so that no number is cut in two.
        quoted = rng.choice([part for part in re.split("[，。；：、「」『』]", text) if part])
        if len(re.sub(r"\W", "", quoted)) < 8:
            continue
        counts["true"] += 1
        counts["alarm"] += bool(
            rulings(plan, found, f"依規定「{quoted}」[1]。") or rulings(plan, found, f"{quoted}[1]。")
        )
        place = rng.randrange(1, len(quoted) - 2)
        wrong = quoted[:place] + "不得準用" + quoted[place + 1 :]
        counts["false"] += 2
        counts["caught"] += bool(rulings(plan, found, f"依規定「{wrong}」[1]。"))
        counts["caught"] += bool(rulings(plan, found, f"{quoted}，{rng.randrange(70_001, 99_999)}元[1]。"))
    print(
        f"citations: {counts['alarm']} alarms on {counts['true']}, {counts['caught']} caught of {counts['false']}"
    )
    yield at_most("citations_false_alarms", counts["alarm"] / counts["true"], GOALS["false_alarms"])
    yield at_least("citations_caught", counts["caught"] / counts["false"], GOALS["caught"])


def rulings(plan: GuardrailPlan, found: Sequence[Retrieved], sentence: str) -> tuple[object, ...]:
    """Return what the citation check has to say of one sentence."""
    check = CitationCheck(plan, "", found)
    check.objection(sentence)
    return check.rulings


def chunk(name: str, text: str) -> Retrieved:
    """Return a text as it is retrieved."""
    return Retrieved(name, "d", "statute", (), text, None, 0, len(text), None, 1.0)


def measure_time(native: Sequence[tuple[str, str]], seed: int) -> Iterator[dict[str, Any]]:
    """Yield the time of finding personal data, and of the whole guard on an answer, in 4 KB of text."""
    rng = random.Random(seed)
    sentences = [text for text, _ in filled("development", 1, seed)]
    zh = [text for locale, text in native if locale == "zh-TW" and len(text) > 20]
    texts = []
    for _ in range(100):
        text = ""
        while len(text.encode()) < 4096:
            text += rng.choice(sentences) if rng.random() < 0.25 else rng.choice(zh)
        texts.append(text.encode()[:4096].decode(errors="ignore"))
    guard = TextGuard(plan_of("zh-TW"))

    def whole(text: str) -> None:
        answer = guard.answer(repair=False)
        answer.feed(text)
        answer.finish()

    for name, work, goal in (
        ("ms_p99_4kb", find_personal, GOALS["ms"]),
        ("answer_guard_ms_p99_4kb", whole, None),
    ):
        times = sorted(best_of_three(work, text) for text in texts)
        print(f"{name}: median {times[50]:.2f} ms, 99th percentile {times[98]:.2f} ms")
        yield at_most(name, times[98], goal)


def best_of_three(work: Any, text: str) -> float:
    """Return the shortest of three times, in milliseconds of the processor: other work on the machine does not count."""
    times = []
    for _ in range(3):
        begun = time.thread_time()
        work(text)
        times.append((time.thread_time() - begun) * 1000)
    return min(times)


def filled(half: str, rounds: int, seed: int) -> Iterator[tuple[str, list[tuple[str, int, int]]]]:
    """Yield each sentence of a half filled anew in each round, with (kind, start, end) of its values."""
    data = YAML(typ="safe").load((HERE / "guardrail_texts" / f"{half}.yaml").read_text(encoding="utf-8"))
    rng = random.Random(f"{half} {seed}")
    for _ in range(rounds):
        for template in (*data["with"], *data["without"]):
            text, values = fill(template, rng)
            gold, place = [], 0
            for kind, value in values:
                start = text.index(value, place)
                place = start + len(value)
                gold.append((kind, start, place))
            yield text, gold


def plan_of(locale: str) -> GuardrailPlan:
    """Return the guardrails of a job that leaves everything at its default, with some topics."""
    job = {
        "name": "clerk",
        "title": "Clerk",
        "sponsor": "Office",
        "locale": locale,
        "charter": {"turn_to": "the office", "ai_notice": "This is an AI.", "forbidden_topics": TOPICS},
        "documents": [{"path": "documents"}],
        "candidates": ["model"],
        "exam": "exam",
        "alias": "clerk",
    }
    return guardrail_plan(JobDescription.model_validate(job))


def rows(path: Path) -> Iterable[dict[str, Any]]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def at_most(name: str, value: float, goal: float | None) -> dict[str, Any]:
    """Return a measure that should be small; without a goal it is reported."""
    holds = goal is None or value <= goal
    return {"name": name, "value": round(value, 4), "goal": goal, "better": "lower", "holds": holds}


def at_least(name: str, value: float, goal: float | None) -> dict[str, Any]:
    """Return a measure that should be large; without a goal it is reported."""
    holds = goal is None or value >= goal
    return {"name": name, "value": round(value, 4), "goal": goal, "better": "higher", "holds": holds}


if __name__ == "__main__":
    sys.exit(main())
