"""The child process that holds one llama.cpp model; run by path, it imports nothing of Staffroom.

Loading holds the GIL and a failed assertion in llama.cpp ends the whole process, so both happen here.
It serves llama.cpp's own HTTP routes on a Unix socket, guarded by a random key.

Procedure:
1. Tie the life to the parent: the kernel kills this process when the parent's starting thread dies, and
   the end of standard input ends it too.
2. Read one line of JSON settings from standard input (never from arguments, which others can read).
3. Keep standard output for one line of JSON that says `ready` or `error`; all else goes to the log.
4. Load the model and serve until the parent goes.

It must not know what is asked. It does not protect against a parent that is hostile.
"""

import ctypes
import json
import os
import signal
import sys
import threading
from typing import Any

__all__ = ["main"]

_PR_SET_PDEATHSIG = 1


def main() -> int:
    """Serve one model until the parent goes; returns 1 when it could not be loaded."""
    _die_with_parent()  # 1
    settings = json.loads(sys.stdin.buffer.readline())  # 2
    if os.getppid() != settings["parent"]:
        return 0
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")  # 3
    os.dup2(2, 1)
    threading.Thread(target=_end_with_input, daemon=True).start()
    try:
        server, facts = _serve(settings)  # 4
    except ImportError as error:
        return _report(answer, {"error": str(error), "kind": "import"})
    except (RuntimeError, ValueError, OSError, MemoryError, AttributeError) as error:
        return _report(answer, {"error": str(error) or type(error).__name__, "kind": "load"})
    _report(answer, {"ready": True, **facts})
    signal.signal(signal.SIGTERM, _end_by_signal)
    threading.Event().wait()
    del server
    return 0


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _end_with_input() -> None:
    while sys.stdin.buffer.read(4096):
        pass
    os._exit(0)


def _end_by_signal(number: int, frame: object) -> None:
    os._exit(0)


def _report(answer: Any, value: dict[str, Any]) -> int:
    answer.write(json.dumps(value) + "\n")
    answer.flush()
    return 1


def _serve(settings: dict[str, Any]) -> tuple[Any, dict[str, str]]:
    # Threads that spin at barriers starve each other as soon as anything else runs: a fifth of the speed on a
    # busy machine of two cores. libgomp reads this when it is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    import xllamacpp  # type: ignore[import-untyped]

    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.hostnames = [settings["socket"]]
    params.api_keys = [settings["key"]]
    params.n_ctx = settings["n_ctx"]
    params.n_batch = settings["n_batch"]
    params.n_ubatch = settings["n_ubatch"]
    params.cpuparams.n_threads = settings["threads"]
    params.cpuparams_batch.n_threads = settings["threads"]
    params.n_gpu_layers = settings["gpu_layers"]
    flash = xllamacpp.llama_flash_attn_type
    params.flash_attn_type = (
        flash.LLAMA_FLASH_ATTN_TYPE_ENABLED
        if settings["flash_attention"]
        else flash.LLAMA_FLASH_ATTN_TYPE_DISABLED
    )
    # Weights stay as they are in the file: the copies that llama.cpp rearranges for its older kernels read prompts a
    # quarter slower than its tiled kernels read the file, and take most of the model's memory a second time.
    params.no_extra_bufts = True
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(path, 0.0) for path in settings["adapters"]]
    # One slot unless a model is served as it is; no cache but the slots' own; nothing tunes itself or reaches out.
    params.n_parallel = settings.get("slots", 1)
    params.slot_save_path = settings["states"]
    params.cache_ram_mib = 0
    params.cache_idle_slots = False
    params.swa_full = True
    params.fit_params = False
    params.ctx_shift = False
    params.offline = True
    params.ui = False
    params.cors_origins = ""
    params.endpoint_metrics = True
    params.endpoint_slots = True
    params.n_threads_http = 4
    params.warmup = True
    server = xllamacpp.Server(params)
    facts = {
        "version": str(xllamacpp.__version__),
        "build": json.dumps(xllamacpp.BUILD_INFO, sort_keys=True),
        "system": str(xllamacpp.get_system_info()).strip(),
    }
    return server, facts


if __name__ == "__main__":
    sys.exit(main())
