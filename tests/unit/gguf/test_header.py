"""The header parser: what a good file says, each public class of bad file, and anything else thrown at it."""

import io
import os
import struct
import time
import tracemalloc
from pathlib import Path

import pytest
import tiny_gguf as t
from hypothesis import given, settings
from hypothesis import strategies as st

from staffroom.gguf import ArraySummary, BadModelFile, GgufHeader, estimate_memory, parse_header, read_header

INT64_MAX = (1 << 63) - 1


def parse(data: bytes) -> GgufHeader:
    return parse_header(io.BytesIO(data), len(data), "tiny.gguf")


def test_a_good_file_is_read_whole() -> None:
    header = parse(t.tiny())
    assert (header.architecture, header.name, header.license) == ("llama", "Tiny", "apache-2.0")
    assert (header.context_length, header.block_count, header.embedding_length) == (8192, 2, 32)
    assert (header.figures.heads, header.figures.kv_heads, header.figures.key_length) == ((4, 4), (2, 2), 8)
    assert (header.quantisation, header.tokenizer, header.vocab_size) == ("Q4_K_M", "gpt2", 100)
    assert header.chat_template == t.TEMPLATE
    assert (header.parameter_count, header.tensor_bytes) == (3232, 12928)
    assert [tensor.name for tensor in header.tensors] == ["token_embd.weight", "output_norm.weight"]
    assert header.metadata["tokenizer.ggml.token_type"] == (1,) * 100
    assert header.metadata["tokenizer.ggml.tokens"] == ArraySummary(t.STRING, 100)


def test_two_readings_are_equal() -> None:
    assert parse(t.tiny()) == parse(t.tiny())


def test_version_2_is_read() -> None:
    assert parse(t.Tiny(version=struct.pack("<I", 2)).data()).version == 2


def test_tensors_may_be_listed_in_any_order() -> None:
    tensors = t.Tiny().tensors
    assert parse(t.Tiny(tensors=tensors[::-1]).data()).tensor_bytes == 12928


def test_values_may_differ_by_layer() -> None:
    header = parse(t.tiny(llama__attention__head_count_kv=(t.ARRAY, (t.U32, [2, 1]))))
    assert header.figures.kv_heads == (2, 1)


def test_an_adapter_needs_no_figures_of_a_model() -> None:
    pairs = {"general.architecture": (t.STRING, "llama"), "general.type": (t.STRING, "adapter")}
    header = parse(t.Tiny(pairs=t.encode(pairs)).data())
    assert (header.kind, header.block_count, header.quantisation) == ("adapter", 0, "F32*")


def test_unknown_file_type_has_no_label() -> None:
    assert parse(t.tiny(general__file_type=(t.U32, 999))).quantisation is None


def one(tensor: bytes, data_bytes: int = 32) -> bytes:
    return t.Tiny(tensors=[tensor], data_bytes=data_bytes).data()


def two(*tensors: bytes, data_bytes: int = 256) -> bytes:
    return t.Tiny(tensors=list(tensors), data_bytes=data_bytes).data()


def extra(raw: bytes) -> bytes:
    return t.Tiny(pairs=[*t.Tiny().pairs, raw]).data()


F32, Q4_K = 0, 12
LONG_ARRAY = struct.pack("<IIQ", t.ARRAY, t.U32, 1 << 62)
BAD_FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "the magic needs 4 bytes"),
    "other magic": (t.Tiny(magic=b"GGML").data(), "is not GGUF"),
    "version 0": (t.Tiny(version=struct.pack("<I", 0)).data(), "version 0"),
    "version 1": (t.Tiny(version=struct.pack("<I", 1)).data(), "version 1"),
    "future version": (t.Tiny(version=struct.pack("<I", 4)).data(), "version 4"),
    "big-endian": (t.Tiny(version=struct.pack(">I", 3)).data(), "big-endian"),
    "tensor count 2^63": (t.Tiny(tensor_count=1 << 63).data(), "tensors; 1 to"),
    "key count 2^63": (t.Tiny(pair_count=1 << 63).data(), "keys; 1 to"),
    "no tensors": (t.Tiny(tensors=[], data_bytes=0).data(), "0 tensors"),
    "counts beyond the file": (t.Tiny(tensor_count=32_000).header(), "needs"),
    "more keys than there are": (t.Tiny(pair_count=17).data(), "key 16 says it is"),
    "empty key": (extra(t.pair("", t.U32, 1)), "empty or not printable"),
    "key with NUL": (extra(t.pair(b"general.name\0x", t.U32, 1)), "not printable"),
    "key not ASCII": (extra(t.pair("näme", t.U32, 1)), "not printable"),
    "key length 2^64-1": (extra(struct.pack("<Q", (1 << 64) - 1)), "says it is"),
    "duplicate key": (extra(t.pair("general.name", t.STRING, "x")), "occurs twice"),
    "string length 2^63": (extra(t.string("k") + struct.pack("<IQ", t.STRING, 1 << 63)), "says it is"),
    "string beyond the file": (extra(t.string("k") + struct.pack("<IQ", t.STRING, 900_000)), "needs 900000"),
    "string not UTF-8": (extra(t.pair("k", t.STRING, b"\xff\xfe")), "not UTF-8"),
    "unknown value type": (extra(t.string("k") + struct.pack("<I", 13) + bytes(64)), "unknown value type 13"),
    "truth value 2": (extra(t.pair("k", t.BOOL, 2)), "truth value"),
    "truth values 2": (extra(t.pair("k", t.ARRAY, (t.BOOL, [0, 2]))), "truth values"),
    "array length 2^62": (extra(t.string("k") + LONG_ARRAY), "elements"),
    "array beyond the file": (
        extra(t.string("k") + struct.pack("<IIQ", t.ARRAY, t.U32, 1_000_000)),
        "needs 4000000",
    ),
    "array of unknown type": (
        extra(t.string("k") + struct.pack("<IIQ", t.ARRAY, 99, 1 << 60)),
        "unknown type",
    ),
    "array of arrays": (extra(t.pair("k", t.ARRAY, (t.ARRAY, [(t.U32, [1])]))), "array of arrays"),
    "string array wraps": (
        extra(t.string("k") + struct.pack("<IIQ", t.ARRAY, t.STRING, (1 << 61) + 1)),
        "elements",
    ),
    "string in an array beyond the file": (
        extra(t.pair("k", t.ARRAY, (t.STRING, ["x"] * 99 + ["y" * 900_000])))[:-900_000],
        "'k' ends outside|needs",
    ),
    "string in an array of 2^63": (
        extra(
            t.string("k")
            + struct.pack("<IIQ", t.ARRAY, t.STRING, 100)
            + t.string("x") * 99
            + struct.pack("<Q", 1 << 63)
        ),
        "an element says",
    ),
    "alignment 0": (t.tiny(general__alignment=(t.U32, 0)), "power of two"),
    "alignment 33": (t.tiny(general__alignment=(t.U32, 33)), "power of two"),
    "alignment 2^31": (t.tiny(general__alignment=(t.U32, 1 << 31)), "power of two"),
    "alignment of another type": (t.tiny(general__alignment=(t.I32, 32)), "unsigned 32-bit"),
    "alignment an array": (t.tiny(general__alignment=(t.ARRAY, (t.U32, [32]))), "unsigned 32-bit"),
    "tensor without a name": (one(t.tensor("", (8,), F32, 0)), "empty or not printable"),
    "tensor name too long": (one(t.tensor("x" * 64, (8,), F32, 0)), "at most 63"),
    "tensor name with NUL": (one(t.tensor(b"a\0b", (8,), F32, 0)), "not printable"),
    "duplicate tensor": (
        two(t.tensor("a", (32,), F32, 0), t.tensor("a", (32,), F32, 128)),
        "occurs twice",
    ),
    "no dimensions": (one(t.tensor("a", (), F32, 0)), "0 dimensions"),
    "five dimensions": (one(t.tensor("a", (1,) * 5, F32, 0)), "5 dimensions"),
    "a million dimensions": (one(t.string("a") + struct.pack("<I", 1_000_000) + bytes(99)), "1000000 dim"),
    "zero dimension": (one(t.tensor("a", (1, 0), F32, 0)), "no elements"),
    "negative dimension": (one(t.tensor("a", ((1 << 64) - 1, 2), F32, 0)), "no elements or 2"),
    "product wraps to 4": (
        one(t.tensor("a", (4194305, 4194305, 211106198978564), F32, 0)),
        "no elements or 2",
    ),
    "product wraps to 0": (one(t.tensor("a", (1 << 32, 1 << 32), F32, 0)), "no elements or 2"),
    "bytes wrap": (one(t.tensor("a", (1 << 62,), F32, 0)), "after the file"),
    "padding wraps": (one(t.tensor("a", (INT64_MAX,), F32, 0)), "after the file"),
    "unknown tensor type": (one(t.tensor("a", (8,), 99, 0)), "unknown type 99"),
    "removed tensor type": (one(t.tensor("a", (32,), 4, 0)), "unknown type 4"),
    "tensor type 2^32-1": (one(t.tensor("a", (8,), 0xFFFFFFFF, 0)), "unknown type"),
    "broken block": (one(t.tensor("a", (255,), Q4_K, 0)), "no multiple"),
    "offset not aligned": (one(t.tensor("a", (8,), F32, 8)), "not aligned"),
    "offset beyond the file": (one(t.tensor("a", (8,), F32, 1 << 40)), "belong to none|after the file"),
    "offset near 2^64": (one(t.tensor("a", (8,), F32, (1 << 64) - 32)), "belong to none|after the file"),
    "overlap": (two(t.tensor("a", (32,), F32, 0), t.tensor("b", (32,), F32, 96)), "inside the one before"),
    "same place twice": (two(t.tensor("a", (8,), F32, 0), t.tensor("b", (8,), F32, 0)), "inside the one"),
    "gap": (two(t.tensor("a", (8,), F32, 0), t.tensor("b", (8,), F32, 128)), "belong to none"),
    "data cut short": (t.Tiny(data_bytes=12_900).data(), "after the file"),
    "no data": (t.Tiny().header(), "after the file"),
    "something behind the model": (t.Tiny(data_bytes=13_000).data(), "behind the last tensor"),
    "no architecture": (t.tiny(general__architecture=None), "no `general.architecture`"),
    "architecture a number": (t.tiny(general__architecture=(t.U32, 1)), "must be a string"),
    "template a number": (t.tiny(tokenizer__chat_template=(t.U32, 1)), "must be a string"),
    "no layers": (t.tiny(llama__block_count=(t.U32, 0)), "block_count' is 0"),
    "layers beyond a fixed array": (t.tiny(llama__block_count=(t.U32, 100_000)), "block_count' is 100000"),
    "no context": (t.tiny(llama__context_length=None), "context_length"),
    "context a fraction": (t.tiny(llama__context_length=(t.F32, 8192.0)), "whole number"),
    "no heads": (t.tiny(llama__attention__head_count=(t.U32, 0)), "above zero"),
    "heads for other layers": (
        t.tiny(llama__attention__head_count=(t.ARRAY, (t.U32, [4, 4, 4]))),
        "3 values for 2 layers",
    ),
    "heads not divisible": (t.tiny(llama__attention__head_count_kv=(t.U32, 3)), "no whole number"),
    "embedding of another width": (t.tiny(llama__embedding_length=(t.U32, 64)), "the embedding has"),
    "fewer embeddings than tokens": (
        t.tiny(
            tokenizer__ggml__tokens=(t.ARRAY, (t.STRING, ["x"] * 120)),
            tokenizer__ggml__token_type=(t.ARRAY, (t.I32, [1] * 120)),
        ),
        "the embedding has",
    ),
    "tokens not strings": (t.tiny(tokenizer__ggml__tokens=(t.ARRAY, (t.U32, [1] * 100))), "array of strings"),
    "tokens no array": (t.tiny(tokenizer__ggml__tokens=(t.STRING, "x")), "must be an array"),
    "scores narrower": (t.tiny(tokenizer__ggml__scores=(t.ARRAY, (t.U8, [0] * 100))), "array of type 6"),
    "scores shorter": (t.tiny(tokenizer__ggml__scores=(t.ARRAY, (t.F32, [0.0] * 99))), "99 values for 100"),
    "token types narrower": (t.tiny(tokenizer__ggml__token_type=(t.ARRAY, (t.I8, [1] * 100))), "of type 5"),
    "token types shorter": (t.tiny(tokenizer__ggml__token_type=(t.ARRAY, (t.I32, [1]))), "1 values for 100"),
    "merges not strings": (t.tiny(tokenizer__ggml__merges=(t.ARRAY, (t.U32, [1]))), "array of strings"),
    "charsmap too short": (
        t.tiny(tokenizer__ggml__precompiled_charsmap=(t.ARRAY, (t.U8, [1, 2]))),
        "at least 4",
    ),
    "suppressed tokens narrower": (
        t.tiny(tokenizer__ggml__suppress_tokens=(t.ARRAY, (t.U8, [1]))),
        "array of type 5",
    ),
    "special token beyond the vocabulary": (t.tiny(tokenizer__ggml__eos_token_id=(t.U32, 100)), "100 tokens"),
    "vocabulary below assumed tokens": (
        t.tiny(
            tokenizer__ggml__tokens=(t.ARRAY, (t.STRING, ["x"] * 3)),
            tokenizer__ggml__token_type=(t.ARRAY, (t.I32, [1] * 3)),
        ),
        "loaders assume",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_each_public_class_of_bad_file_is_refused_quickly(name: str) -> None:
    data, expected = BAD_FILES[name]
    started = time.process_time()
    with pytest.raises(BadModelFile, match=expected) as caught:
        parse(data)
    assert time.process_time() - started < 0.05
    assert 0 <= caught.value.offset <= len(data) + (1 << 64)
    assert f"byte {caught.value.offset}" in str(caught.value)
    assert "hint: " in str(caught.value)


def test_every_truncation_is_refused() -> None:
    whole = t.tiny()
    header_bytes = len(t.Tiny().header())
    for length in [
        *range(header_bytes + 32),
        *range(header_bytes + 32, len(whole) - 32, 499),
        len(whole) - 33,
    ]:
        with pytest.raises(BadModelFile):
            parse(whole[:length])


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_only_bad_model_file_is_raised_for_mutations(data: st.DataObject) -> None:
    whole = bytearray(t.tiny())
    header_bytes = len(t.Tiny().header())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, header_bytes - 1))
        match data.draw(st.sampled_from(["byte", "number", "delete", "insert"])):
            case "byte":
                whole[place] = data.draw(st.integers(0, 255))
            case "number":
                numbers = (0, 1, 31, 1 << 31, (1 << 32) - 1, 1 << 62, INT64_MAX, (1 << 64) - 1)
                whole[place : place + 8] = struct.pack("<Q", data.draw(st.sampled_from(numbers)))
            case "delete":
                del whole[place : place + data.draw(st.integers(1, 16))]
            case "insert":
                whole[place:place] = data.draw(st.binary(min_size=1, max_size=16))
    try:
        header = parse(bytes(whole))
    except BadModelFile:
        return
    assert header.tensor_bytes <= len(whole)
    estimate_memory(header, context_length=header.context_length)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_only_bad_model_file_is_raised_for_random_bytes(data: bytes, with_magic: bool) -> None:
    with pytest.raises(BadModelFile):
        parse((b"GGUF" + struct.pack("<IQQ", 3, 1, 1) if with_magic else b"") + data)


def many(shape: str, count: int) -> bytes:
    pairs, tensors = t.Tiny().pairs, t.Tiny().tensors
    if shape == "numbers":
        array = struct.pack("<IIQ", t.ARRAY, t.U8, 1024) + bytes(1024)
        pairs = [t.string(f"k{n}") + array for n in range(count)]
    elif shape == "strings":
        array = struct.pack("<IIQ", t.ARRAY, t.STRING, 64) + t.string("x") * 64
        pairs = [t.string(f"k{n}") + array for n in range(count)]
    elif shape == "tensors":
        tensors = [t.tensor(f"blk.{n}.{'x' * 40}", (1, 1, 1, 8), F32, 32 * n) for n in range(count)]
    else:
        pairs = [*pairs, t.string("k") + struct.pack("<IIQ", t.ARRAY, t.STRING, count) + bytes(8 * count)]
    return t.Tiny(pairs=pairs, tensors=tensors, data_bytes=0).data()


@pytest.mark.parametrize(("shape", "count", "most"), [("tensors", 8_192, 0.5), ("tokens", 1 << 20, 0.5)])
def test_a_quarter_of_the_dearest_header_takes_a_quarter_of_two_seconds(
    shape: str, count: int, most: float
) -> None:
    data = many(shape, count)
    started = time.process_time()
    with pytest.raises(BadModelFile, match="after the file"):
        parse(data)
    assert time.process_time() - started < most


@pytest.mark.parametrize(
    ("shape", "count", "most"),
    [("numbers", 300, 48 << 20), ("strings", 2_200, 48 << 20), ("tensors", 2_048, 4 << 20)],
)
def test_the_dearest_headers_stay_within_their_memory(shape: str, count: int, most: int) -> None:
    stream = io.BytesIO(many(shape, count))
    tracemalloc.start()
    try:
        with pytest.raises(BadModelFile, match=r"more than 8388608 bytes|after the file"):
            parse_header(stream, stream.seek(0, 2))
        assert tracemalloc.get_traced_memory()[1] < most
    finally:
        tracemalloc.stop()


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModelFile, match="cannot be read"):
        read_header(tmp_path / "absent.gguf")
    with pytest.raises(BadModelFile, match="not a regular file"):
        read_header(tmp_path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with pytest.raises(BadModelFile, match="not a regular file"):
        read_header(fifo)


def test_a_file_that_shrinks_while_read_is_refused() -> None:
    data = t.tiny()
    with pytest.raises(BadModelFile, match="became shorter"):
        parse_header(io.BytesIO(data[:600]), len(data), "tiny.gguf")


def test_the_memory_estimate_is_the_sum_of_named_parts() -> None:
    header = parse(t.tiny())
    small = estimate_memory(header, context_length=1024)
    large = estimate_memory(header, context_length=1024, slots=3)
    assert small.bytes == sum(part.bytes for part in small.parts)
    cache = {part.name: part.bytes for part in large.parts}["key-value cache"]
    assert cache == 3 * 1024 * (2 + 2) * (8 + 8) * 2
    assert "key-value cache" in small.reason and large.bytes > small.bytes
