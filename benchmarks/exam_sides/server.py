"""llama.cpp's own HTTP server on loopback, for the peers of `benchmarks/exam.py`: one line of JSON in, one out, until the input ends.

In: {"model", "port", "n_ctx", "threads", "batch", "slots"}. What is not named there is as llama.cpp has it. It
asks for no key, because one of the peers cannot send one: it is there for the minutes of a benchmark.
"""

import json
import os
import sys
import threading


def main() -> int:
    """Serve until standard input ends."""
    settings = json.loads(sys.stdin.readline())
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["model"]
    params.hostnames = ["127.0.0.1"]
    params.port = settings["port"]
    params.n_ctx = settings["n_ctx"]
    params.n_batch = params.n_ubatch = settings["batch"]
    params.n_parallel = settings["slots"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.n_gpu_layers = 0
    params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    params.fit_params = False
    params.offline = True
    params.ui = False
    server = xllamacpp.Server(params)
    answer.write(json.dumps({"ready": True, "xllamacpp": xllamacpp.__version__}) + "\n")
    answer.flush()
    threading.Thread(target=sys.stdin.read).run()
    del server
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
