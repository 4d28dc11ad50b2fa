"""The embedded llama-server: llama.cpp's own HTTP server out of the xllamacpp wheel.

It takes the flags of ``llama-server`` that Kvasir passes, and the same ``LLAMA_API_KEY``. A failed assertion
in llama.cpp ends the process, so this runs in one of its own, as a script that imports nothing of Kvasir.
"""

import argparse
import os
import signal
import sys
from pathlib import Path
from typing import Any

STOPPING = frozenset({signal.SIGTERM, signal.SIGINT})


def main(argv: list[str]) -> int:
    """Serve until SIGTERM or SIGINT; the result is the exit status, and what went wrong is on stderr."""
    options = _parser().parse_args(argv)
    # Blocked before the library starts its threads, which inherit the mask: signals then wait for sigwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, STOPPING)
    try:
        import xllamacpp
    except ImportError as error:
        sys.stderr.write(f"xllamacpp cannot be loaded: {error}\n")
        return 2
    try:
        library: Any = xllamacpp  # it comes without types
        server = library.Server(_configured(library.CommonParams(), options))
    except (RuntimeError, ValueError) as error:
        sys.stderr.write(f"xllamacpp did not start: {error}\n")
        return 1
    sys.stderr.write(f"listening on {server.listening_address}\n")
    sys.stderr.flush()
    signal.sigwait(STOPPING)
    del server
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="embedded-llama-server", allow_abbrev=False)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("-c", "--ctx-size", type=int, default=0)
    parser.add_argument("-np", "--parallel", type=int, default=1)
    parser.add_argument("-b", "--batch-size", type=int, default=512)
    parser.add_argument("-ub", "--ubatch-size", type=int, default=512)
    parser.add_argument("-t", "--threads", type=int, default=0)
    parser.add_argument("--cache-ram", type=int, default=0, metavar="MIB")
    parser.add_argument("--no-kv-unified", action="store_true")
    parser.add_argument("--no-cache-idle-slots", action="store_true")
    parser.add_argument("--slot-save-path", type=Path)
    parser.add_argument("--metrics", action="store_true")
    parser.add_argument("--no-ui", action="store_true")
    return parser


def _configured(parameters: Any, options: argparse.Namespace) -> Any:  # noqa: ANN401 - xllamacpp's own type
    """Set what llama.cpp's command line would have set: the attributes are named after its common_params."""
    parameters.model.path = options.model
    parameters.hostnames = [options.host]
    parameters.port = options.port
    parameters.api_keys = [key for key in os.environ.get("LLAMA_API_KEY", "").split(",") if key]
    parameters.n_ctx = options.ctx_size
    parameters.n_parallel = options.parallel
    parameters.kv_unified = not options.no_kv_unified
    parameters.n_batch = options.batch_size
    parameters.n_ubatch = options.ubatch_size
    parameters.cache_ram_mib = options.cache_ram
    parameters.cache_idle_slots = not options.no_cache_idle_slots
    parameters.endpoint_slots = True
    parameters.endpoint_metrics = options.metrics
    parameters.ui = not options.no_ui
    if options.threads:
        parameters.cpuparams.n_threads = options.threads
    if options.slot_save_path:
        # The library joins folder and file name as they are.
        parameters.slot_save_path = f"{options.slot_save_path}{os.sep}"
    return parameters


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
