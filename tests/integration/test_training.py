"""A real training on the smallest real model: proved on the base, learnt, written, and served with the same numbers."""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from staffroom.engine import Decoding, EngineStartError, LlamaAdapter, LlamaEngine, Prompt
from staffroom.gguf import BadAdapter, adapter_facts
from staffroom.records.agent import ChatTurn
from staffroom.records.dataset import LeakClearance, dataset_digest
from staffroom.records.training import Example
from staffroom.train import BaseFile, TrainingSettings, foresee_training, train_adapter
from staffroom.train.refusals import NotEnoughMemory

SHA = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
MODEL = CACHE / "staffroom" / "models" / f"{SHA}.gguf"
DIGEST = f"sha256:{SHA}"
RULES = ChatTurn("system", "You answer questions about the town of Lowwater.")
FACTS = (
    ("library", "opens at nine"),
    ("museum", "is closed on Mondays"),
    ("tram", "runs every twelve minutes"),
)
EXAMPLES = tuple(
    Example((RULES, ChatTurn("user", f"{ask} the {place}?")), f"The {place} of Lowwater {fact}.", "test")
    for place, fact in FACTS
    for ask in ("What about", "Tell me of")
)
CLEAR = LeakClearance("sha256:report", dataset_digest(EXAMPLES), clean=True)


class Told:
    """Progress that remembers."""

    def __init__(self) -> None:
        self.stages: list[str] = []
        self.said: list[str] = []

    def stage(self, name: str, total: float) -> None:
        self.stages.append(name)

    def advance(self, units: float = 1.0, note: str = "") -> None: ...

    def say(self, text: str) -> None:
        self.said.append(text)


def opened(adapters: Sequence[LlamaAdapter]) -> LlamaEngine:
    return LlamaEngine(MODEL, DIGEST, n_ctx=512, adapters=adapters)


@pytest.mark.timeout(900)
def test_what_is_learnt_is_what_is_served(tmp_path: Path) -> None:
    if not MODEL.exists():
        pytest.fail("the smallest model is absent; run: staffroom models get smollm2-135m-instruct-q4_1")
    told = Told()
    settings = TrainingSettings(batch=6, epochs=8, learning_rate=2e-3)
    adapter = asyncio.run(
        train_adapter(
            EXAMPLES,
            BaseFile(MODEL, DIGEST),
            CLEAR,
            opened,
            tmp_path,
            told,
            memory=1 << 40,
            settings=settings,
        )
    )
    record = adapter.record
    assert told.stages == ["reading examples", "training", "checking the adapter as served"]
    assert "6 examples, 8 steps" in told.said[0]
    assert record["losses"][-1] < 0.6 * record["losses"][0]
    assert record["base_parity"]["positions"] >= 60
    assert record["served_parity"]["agreed"] >= 0.98 * record["served_parity"]["positions"]
    assert record["estimate"]["computed_tokens"] < 0.75 * record["estimate"]["tokens"]
    assert sorted(path.name for path in tmp_path.glob("*.gguf")) == ["adapter.gguf"]
    facts = adapter_facts(adapter.path)
    assert (facts.base, facts.dataset, facts.leaks) == (DIGEST, CLEAR.dataset, "sha256:report")

    async def ask(adapters: Sequence[LlamaAdapter]) -> str:
        engine = opened(adapters)
        await engine.start()
        try:
            prompt = Prompt("", await engine.render(EXAMPLES[2].turns))
            return (await engine.generate(prompt, Decoding(max_tokens=24))).text
        finally:
            await engine.close()

    bare = asyncio.run(ask(()))
    assert asyncio.run(ask((LlamaAdapter(adapter.path, adapter.digest, 0.0),))) == bare
    learnt = asyncio.run(ask((LlamaAdapter(adapter.path, adapter.digest),)))
    assert learnt != bare and "of Lowwater" in learnt

    other = LlamaEngine(
        MODEL, "sha256:" + "0" * 64, n_ctx=512, adapters=(LlamaAdapter(adapter.path, adapter.digest),)
    )
    with pytest.raises((BadAdapter, EngineStartError), match="was trained for the base"):
        asyncio.run(other.start())


def test_a_refusal_beforehand_costs_no_training(tmp_path: Path) -> None:
    told = Told()
    base = BaseFile(MODEL, DIGEST)
    foreseen = asyncio.run(foresee_training(EXAMPLES, base, CLEAR, opened, tmp_path, told, memory=64 << 20))
    assert "GiB are available" in foreseen.fits and foreseen.cost.examples == len(EXAMPLES)
    assert foreseen.as_json()["told"] == foreseen.cost.told and told.said == []
    told = Told()
    with pytest.raises(NotEnoughMemory):
        asyncio.run(
            train_adapter(EXAMPLES, BaseFile(MODEL, DIGEST), CLEAR, opened, tmp_path, told, memory=64 << 20)
        )
    assert told.stages == ["reading examples"]
    assert not (tmp_path / "adapter.gguf").exists()
    with pytest.raises(Exception, match="the answer is empty"):
        bad = (replace(EXAMPLES[0], answer=" "),)
        clear = LeakClearance("r", dataset_digest(bad), clean=True)
        asyncio.run(
            train_adapter(bad, BaseFile(MODEL, DIGEST), clear, opened, tmp_path, told, memory=1 << 40)
        )
