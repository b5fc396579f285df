"""What the llama driver makes of answers without probabilities."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from staffroom.engine.llama import LlamaEngine
from staffroom.engine.llama_pins import COLD, Send
from staffroom.engine.protocols import Prompt


def test_a_likeliest_token_that_is_half_a_character_gives_no_probabilities(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A byte-level model may begin a Chinese character; llama.cpp then answers without any probability."""

    async def ready(_: LlamaEngine, prompt: Prompt) -> Send:
        return Send((1, 2, 3), 0, COLD, COLD, last=True)

    async def evaluate(_: LlamaEngine, send: Send, extra: Mapping[str, Any] | None = None) -> dict[str, Any]:
        return {"content": "", "timings": {"cache_n": 0}}

    monkeypatch.setattr(LlamaEngine, "_ready", ready)
    monkeypatch.setattr(LlamaEngine, "_evaluate", evaluate)
    engine = LlamaEngine(Path("model.gguf"), "sha256:0", n_ctx=512)
    seen = asyncio.run(engine.next_token(Prompt("", "臺")))
    assert dict(seen.log_probabilities) == {}
    assert seen.tokens_in == 3
