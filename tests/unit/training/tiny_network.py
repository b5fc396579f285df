"""Model files with random weights, small enough to train in a unit test: one of each architecture."""

from pathlib import Path

import gguf
import numpy as np

WIDTH, HEADS, KV_HEADS, HEAD, INNER, VOCABULARY, LAYERS = 32, 4, 2, 8, 48, 64, 2
TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"


def write_network(
    path: Path,
    architecture: str = "llama",
    *,
    layers: int = LAYERS,
    template: str = TEMPLATE,
    window: int = 6,
) -> Path:
    """Write a decoder of `layers` layers in 32-bit floats."""
    random = np.random.default_rng(7)
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("Tiny")
    writer.add_block_count(layers)
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_key_length(HEAD)
    writer.add_value_length(HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    if architecture == "gemma3":
        writer.add_sliding_window(window)
    if template:
        writer.add_chat_template(template)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list([f"t{number}" for number in range(VOCABULARY)])
    writer.add_eos_token_id(2)

    def add(name: str, *shape: int, around: float = 0.0) -> None:
        values = random.normal(around, 0.3, shape) / (1 if len(shape) == 1 else shape[1] ** 0.5 * 0.3)
        writer.add_tensor(name, values.astype(np.float32))

    add("token_embd.weight", VOCABULARY, WIDTH)
    add("output_norm.weight", WIDTH, around=1.0)
    for layer in range(layers):
        block = f"blk.{layer}."
        for name, out, inward in (
            ("attn_q", HEADS * HEAD, WIDTH),
            ("attn_k", KV_HEADS * HEAD, WIDTH),
            ("attn_v", KV_HEADS * HEAD, WIDTH),
            ("attn_output", WIDTH, HEADS * HEAD),
            ("ffn_gate", INNER, WIDTH),
            ("ffn_up", INNER, WIDTH),
            ("ffn_down", WIDTH, INNER),
        ):
            add(f"{block}{name}.weight", out, inward)
            if architecture == "qwen2" and name in ("attn_q", "attn_k", "attn_v"):
                add(f"{block}{name}.bias", out)
        for name in ("attn_norm", "ffn_norm"):
            add(f"{block}{name}.weight", WIDTH, around=1.0)
        if architecture == "gemma3":
            for name, width in (
                ("attn_q_norm", HEAD),
                ("attn_k_norm", HEAD),
                ("post_attention_norm", WIDTH),
                ("post_ffw_norm", WIDTH),
            ):
                add(f"{block}{name}.weight", width, around=1.0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
