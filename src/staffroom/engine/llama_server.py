"""A llama.cpp child process that others talk to over HTTP: for models that are served as they are.

Nothing is pinned and nothing is prepared: several slots, llama.cpp's own template and sampling. What is examined runs
behind `LlamaEngine`. A child that ended is started again when it is next needed, after a pause that doubles.
"""

import asyncio
import time
from pathlib import Path

from staffroom.engine.errors import EngineStartError
from staffroom.engine.llama_process import LlamaProcess, physical_cores, start_llama_process
from staffroom.engine.protocols import ServerAddress

__all__ = ["LlamaServer"]

_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 60.0
_BATCH = 256


class LlamaServer:
    """One GGUF model behind llama.cpp's routes on a Unix socket; `close` when done.

    context: tokens of one slot. slots: answers at a time. log_path: where the child's log goes.
    """

    def __init__(
        self,
        model_path: Path,
        *,
        context: int,
        slots: int,
        threads: int | None = None,
        log_path: Path | None = None,
        start_seconds: float = 300.0,
    ) -> None:
        self._settings = {
            "model": str(model_path),
            "n_ctx": context * slots,
            "n_batch": _BATCH,
            "n_ubatch": _BATCH,
            "threads": threads if threads is not None else physical_cores(),
            "flash_attention": True,
            "gpu_layers": 0,
            "adapters": [],
            "slots": slots,
        }
        self._log_path = log_path
        self._start_seconds = start_seconds
        self._child: LlamaProcess | None = None
        self._address: ServerAddress | None = None
        self._starting = asyncio.Lock()
        self._pause = 0.0
        self._started = 0.0
        self._open = True

    @property
    def pid(self) -> int | None:
        """Process id of the child, or None while there is none."""
        return self._child.pid if self._child is not None and self._child.alive else None

    async def address(self) -> ServerAddress:
        """Return where the child listens, starting it where there is none; raises EngineStartError."""
        if self._address is not None and self._child is not None and self._child.alive:
            return self._address
        async with self._starting:
            if not self._open:
                raise EngineStartError("the engine was closed")
            if self._child is None or not self._child.alive:
                await self._start()
        if self._address is None:
            raise EngineStartError("the engine has no address")
        return self._address

    async def close(self) -> None:
        """Stop the child; idempotent."""
        self._open = False
        async with self._starting:
            child, self._child = self._child, None
            if child is not None:
                await child.stop()

    async def _start(self) -> None:
        if self._child is not None:
            await self._child.stop()
            if time.monotonic() - self._started > _STEADY_SECONDS:
                self._pause = 0.0
            await asyncio.sleep(self._pause)
            self._pause = min(_LONGEST_PAUSE_SECONDS, max(_FIRST_PAUSE_SECONDS, self._pause * 2))
        self._child = child = await start_llama_process(
            self._settings, self._log_path, seconds=self._start_seconds
        )
        self._started = time.monotonic()
        self._address = ServerAddress("http://localhost/v1", str(child.socket), child.key)
