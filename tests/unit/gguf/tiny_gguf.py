"""A small writer of GGUF files, for tests: every part can be replaced by a wrong one."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

U8, I8, U32, I32, F32, BOOL, STRING, ARRAY, U64 = 0, 1, 4, 5, 6, 7, 8, 9, 10
LETTERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"
TOKENS = [f"t{n}" for n in range(100)]


def string(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def value(kind: int, content: Any) -> bytes:
    if kind == STRING:
        return string(content)
    if kind == ARRAY:
        element, items = content
        return struct.pack("<IQ", element, len(items)) + b"".join(value(element, item) for item in items)
    return struct.pack("<" + LETTERS[kind], content)


def pair(key: str | bytes, kind: int, content: Any) -> bytes:
    return string(key) + struct.pack("<I", kind) + value(kind, content)


def tensor(name: str | bytes, shape: Sequence[int], kind: int, offset: int) -> bytes:
    head = string(name) + struct.pack("<I", len(shape)) + b"".join(struct.pack("<Q", n) for n in shape)
    return head + struct.pack("<IQ", kind, offset)


def model_pairs(**changes: tuple[int, Any] | None) -> dict[str, tuple[int, Any]]:
    """Return the metadata of a tiny model in order; dots in keys are written as two underscores."""
    pairs: dict[str, tuple[int, Any]] = {
        "general.architecture": (STRING, "llama"),
        "general.name": (STRING, "Tiny"),
        "general.license": (STRING, "apache-2.0"),
        "general.file_type": (U32, 15),
        "llama.block_count": (U32, 2),
        "llama.context_length": (U32, 8192),
        "llama.embedding_length": (U32, 32),
        "llama.feed_forward_length": (U32, 64),
        "llama.attention.head_count": (U32, 4),
        "llama.attention.head_count_kv": (U32, 2),
        "tokenizer.ggml.model": (STRING, "gpt2"),
        "tokenizer.ggml.tokens": (ARRAY, (STRING, TOKENS)),
        "tokenizer.ggml.token_type": (ARRAY, (I32, [1] * 100)),
        "tokenizer.ggml.eos_token_id": (U32, 2),
        "tokenizer.chat_template": (STRING, TEMPLATE),
    }
    for name, change in changes.items():
        key = name.replace("__", ".")
        if change is None:
            pairs.pop(key)
        else:
            pairs[key] = change
    return pairs


@dataclass
class Tiny:
    """A model file in parts; `data()` joins them. Counts are taken from the parts unless given."""

    pairs: list[bytes] = field(default_factory=lambda: encode(model_pairs()))
    tensors: list[bytes] = field(
        default_factory=lambda: [
            tensor("token_embd.weight", (32, 100), 0, 0),
            tensor("output_norm.weight", (32,), 0, 12800),
        ]
    )
    magic: bytes = b"GGUF"
    version: bytes = struct.pack("<I", 3)
    tensor_count: int | None = None
    pair_count: int | None = None
    data_bytes: int = 12928
    alignment: int = 32

    def header(self) -> bytes:
        counts = (
            len(self.tensors) if self.tensor_count is None else self.tensor_count,
            len(self.pairs) if self.pair_count is None else self.pair_count,
        )
        return self.magic + self.version + struct.pack("<QQ", *counts) + b"".join(self.pairs + self.tensors)

    def data(self) -> bytes:
        head = self.header()
        return head + bytes(-len(head) % self.alignment) + bytes(self.data_bytes)


def encode(pairs: dict[str, tuple[int, Any]]) -> list[bytes]:
    return [pair(key, kind, content) for key, (kind, content) in pairs.items()]


def tiny(**changes: tuple[int, Any] | None) -> bytes:
    """Return a whole small model file with some metadata changed or, by None, left out."""
    return Tiny(pairs=encode(model_pairs(**changes))).data()
