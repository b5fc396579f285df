"""Start a model of this home by itself, for packs whose inputs are prompts for a bare model."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from staffroom.engine.llama import LlamaEngine
from staffroom.evaluate import load_pack
from staffroom.evaluate.bare_model import BareModel
from staffroom.records.errors import WrongUse
from staffroom.recruit import file_of, find_model
from staffroom.store import Home

__all__ = ["open_bare_model"]

_CONTEXT = 8192


@asynccontextmanager
async def open_bare_model(home: Home, name: str, folder: Path) -> AsyncIterator[BareModel]:
    """Start the engine of a model, by name or digest, to be asked a pack; raises WrongUse for a server.

    A server's tokens cannot be told apart from here, so options could not be compared.
    """
    pack = load_pack(folder)
    candidate = find_model(home.path, name).candidate
    if candidate.model is None:
        raise WrongUse(
            "a server cannot be asked as a bare model", where=name, hint="staffroom models add MODEL.gguf"
        )
    logs = home.ensure().private / "engines"
    logs.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = LlamaEngine(
        file_of(home.path, candidate),
        candidate.model.digest,
        n_ctx=_CONTEXT,
        log_path=logs / f"{candidate.id}.log",
    )
    await engine.start()
    try:
        yield BareModel(engine, pack, name=candidate.id)
    finally:
        await engine.close()
