"""The figures of a model, and whether they agree with its vocabulary and its tensors.

Each check stands for a fault that crashed or corrupted a native loader: arrays counted by one key and read by
another's type, special tokens beyond the vocabulary, an embedding with other dimensions than the header says.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from staffroom.gguf.reader import BoundedReader
from staffroom.gguf.types import STRING
from staffroom.gguf.values import Metadata, TensorInfo

__all__ = ["ModelFigures", "read_figures"]

_MOST_LAYERS: Final = 512
_MOST_WIDTH: Final = 1 << 20
_MOST_HEADS: Final = 1 << 16
_MOST_CONTEXT: Final = 1 << 31
_MOST_TOKENS: Final = 4 << 20
_FLOAT32: Final = 6
_INT32: Final = (5, 4)
_BYTES: Final = (0, 1)
_MOST_ID: Final = 0xFFFFFFFF
_DEFAULT_IDS: Final[Mapping[str, int]] = MappingProxyType({"llama": 2, "gpt2": 11, "t5": 2, "bert": 102})
"""The highest special token that the engine assumes for a tokeniser where the file names none."""
_SPECIAL: Final = (
    *("bos", "eos", "eot", "eom", "unknown", "separator", "seperator", "padding", "cls", "mask"),
    *("prefix", "suffix", "middle", "fim_pre", "fim_suf", "fim_mid", "fim_pad", "fim_rep", "fim_sep"),
)


@dataclass(frozen=True, slots=True)
class ModelFigures:
    """Numbers of the network: lengths in tokens or elements, `heads` and `kv_heads` one per layer.

    All are zero or empty for a file that is no model (`general.type` other than `model`).
    """

    context_length: int = 0
    block_count: int = 0
    embedding_length: int = 0
    feed_forward_length: int = 0
    heads: tuple[int, ...] = ()
    kv_heads: tuple[int, ...] = ()
    key_length: int = 0
    value_length: int = 0
    sliding_window: int = 0
    vocab_size: int = 0
    tokenizer: str | None = None


def read_figures(
    metadata: Metadata, architecture: str, kind: str, tensors: tuple[TensorInfo, ...], reader: BoundedReader
) -> ModelFigures:
    """Return the figures of a model, refusing what is absent, out of bounds or contradicts the tensors."""
    vocab_size = _read_vocabulary(metadata, reader)
    tokenizer = metadata.text("tokenizer.ggml.model", reader)
    if kind != "model" or (metadata.whole("split.no", reader, most=0xFFFF) or 0) > 0:
        return ModelFigures(vocab_size=vocab_size, tokenizer=tokenizer)

    def needed(key: str, most: int) -> int:
        value = metadata.whole(f"{architecture}.{key}", reader, least=1, most=most)
        if value is None:
            raise reader.fail(f"has no `{architecture}.{key}`")
        return value

    blocks = needed("block_count", _MOST_LAYERS)
    width = needed("embedding_length", _MOST_WIDTH)
    heads = metadata.wholes(f"{architecture}.attention.head_count", reader, blocks, most=_MOST_HEADS)
    if heads is None or max(heads) == 0:
        raise reader.fail(f"has no `{architecture}.attention.head_count` above zero")
    kv_heads = (
        metadata.wholes(f"{architecture}.attention.head_count_kv", reader, blocks, most=_MOST_HEADS) or heads
    )
    for layer, (head, kv_head) in enumerate(zip(heads, kv_heads, strict=True)):
        if kv_head and head % kv_head:
            raise reader.fail(
                f"layer {layer} has {head} heads over {kv_head} key-value heads: no whole number each"
            )
    per_head = width // max(heads)

    def optional(key: str) -> int:
        return metadata.whole(f"{architecture}.{key}", reader, most=_MOST_WIDTH) or 0

    feed_forward = metadata.wholes(f"{architecture}.feed_forward_length", reader, blocks, most=_MOST_WIDTH)
    windows = metadata.whole(f"{architecture}.attention.sliding_window", reader, most=_MOST_CONTEXT)
    _check_embedding(tensors, width, vocab_size, reader)
    return ModelFigures(
        context_length=needed("context_length", _MOST_CONTEXT),
        block_count=blocks,
        embedding_length=width,
        feed_forward_length=max(feed_forward) if feed_forward else 0,
        heads=heads,
        kv_heads=kv_heads,
        key_length=optional("attention.key_length") or per_head,
        value_length=optional("attention.value_length") or per_head,
        sliding_window=windows or 0,
        vocab_size=vocab_size,
        tokenizer=tokenizer,
    )


def _read_vocabulary(metadata: Metadata, reader: BoundedReader) -> int:
    tokens = metadata.length("tokenizer.ggml.tokens", reader, (STRING,))
    metadata.length("tokenizer.ggml.merges", reader, (STRING,))
    for key, types in (("scores", (_FLOAT32,)), ("token_type", _INT32)):
        length = metadata.length(f"tokenizer.ggml.{key}", reader, types)
        if length is not None and length != tokens:
            raise reader.fail(f"`tokenizer.ggml.{key}` has {length} values for {tokens or 0} tokens")
    charsmap = metadata.length("tokenizer.ggml.precompiled_charsmap", reader, _BYTES)
    if charsmap is not None and charsmap < 4:
        raise reader.fail(
            f"`tokenizer.ggml.precompiled_charsmap` has {charsmap} bytes; at least 4 are needed"
        )
    metadata.length("tokenizer.ggml.suppress_tokens", reader, _INT32)
    size = tokens or 0
    if size > _MOST_TOKENS:
        raise reader.fail(f"has {size} tokens; at most {_MOST_TOKENS} are allowed")
    if size:
        _check_special_tokens(metadata, size, reader)
    return size


def _check_special_tokens(metadata: Metadata, vocab_size: int, reader: BoundedReader) -> None:
    for name in _SPECIAL:
        key = f"tokenizer.ggml.{name}_token_id"
        value = metadata.whole(key, reader, most=_MOST_ID)
        if value is not None and value >= vocab_size and value != _MOST_ID:
            raise reader.fail(f"`{key}` is {value}, the vocabulary has {vocab_size} tokens")
    assumed = _DEFAULT_IDS.get(metadata.text("tokenizer.ggml.model", reader) or "", 0)
    if vocab_size <= assumed:
        raise reader.fail(
            f"has {vocab_size} tokens; loaders assume that token {assumed} of this tokeniser exists"
        )


def _check_embedding(
    tensors: tuple[TensorInfo, ...], width: int, vocab_size: int, reader: BoundedReader
) -> None:
    for tensor in tensors:
        if tensor.name == "token_embd.weight" and vocab_size and tensor.shape != (width, vocab_size):
            text = f"the embedding has the shape {tensor.shape}, the header says ({width}, {vocab_size})"
            raise reader.fail(text)
