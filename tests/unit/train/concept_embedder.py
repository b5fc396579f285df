"""An embedder of rules for tests: a vector says which of a few concepts a text names, and in which script."""

import hashlib
from collections.abc import Sequence

import numpy as np

from staffroom.engine.embed import Vectors

CONCEPTS = (
    ("特休", "annual leave", "特別休假"), ("一年", "one year", "12個月"), ("圖書館", "library", "書館"), ("影印", "copy", "複印"),
    ("多少錢", "how much", "費用"), ("薪水", "wage", "工資"), ("賠償", "damages", "賠錢"), ("身分證", "id card", "證件"),
    ("遺失", "lost", "掉了"), ("幾天", "how many days", "幾日"), ("結婚", "marry", "婚姻"), ("登記", "register", "登錄"),
)  # fmt: skip
DIMENSIONS = 64


class ConceptEmbedder:
    """One dimension a concept, one a script, and a little that tells any two texts apart."""

    digest = "sha256:" + "c" * 64
    dimensions = DIMENSIONS

    def __init__(self) -> None:
        self.embedded: list[str] = []

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        self.embedded += texts
        rows = [self._vector(text) for text in texts]
        return np.stack(rows) if rows else np.zeros((0, DIMENSIONS), dtype=np.float32)

    def embed_query(self, text: str) -> Vectors:
        return self._vector(text)

    def _vector(self, text: str) -> Vectors:
        vector = np.zeros(DIMENSIONS, dtype=np.float32)
        lowered = text.lower()
        for place, words in enumerate(CONCEPTS):
            vector[place] = any(word in lowered for word in words)
        scripts = ["一" <= sign <= "鿿" for sign in lowered], ["a" <= sign <= "z" for sign in lowered]
        arabic = sum("؀" <= sign <= "ۿ" for sign in lowered)
        swedish = any(sign in "åäö" for sign in lowered)
        counts = [sum(scripts[0]), sum(scripts[1]) * (not swedish), arabic, sum(scripts[1]) * swedish]
        vector[20 + int(np.argmax(counts))] = 4.0
        noise = np.frombuffer(hashlib.sha256(text.encode("utf-8", "replace")).digest(), dtype=np.uint8)
        vector[24:56] = (noise.astype(np.float32) - 127.5) / 2000
        length = np.linalg.norm(vector)
        unit: Vectors = vector / max(length, np.float32(1e-9))
        return unit
