#!/usr/local/bin/python3 -S
"""The command line of llama.cpp's `llama-server`, as far as Gantry uses it, before the same server.

See llama.cpp, tools/server/README.md, for what the options mean.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from typing import Any, NoReturn

import xllamacpp


class _Options(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ").split()[0]
        told = f"invalid argument: {unknown}" if message.startswith("unrec") else message
        print(f"error: {told}", file=sys.stderr)
        sys.exit(1)


def main() -> int:
    """Serve until SIGTERM, and return the exit code."""
    asked = _options().parse_args()
    stop = threading.Event()
    # PID 1 of a container has no default action for SIGTERM: without a handler it is ignored.
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    try:
        server = xllamacpp.Server(_parameters(xllamacpp.CommonParams(), asked))
    except RuntimeError:
        return 1  # llama.cpp has written why
    print(f"main: server is listening on {server.listening_address}", file=sys.stderr)
    stop.wait()
    return 0


def _parameters(params: Any, asked: argparse.Namespace) -> Any:
    params.model.path = asked.model
    if asked.alias:
        params.model_alias = set(asked.alias.split(","))
    params.hostnames, params.port = [asked.host], asked.port
    params.endpoint_metrics, params.endpoint_slots = asked.metrics, asked.slots
    params.ui = asked.webui
    for name in ("n_ctx", "n_parallel", "n_batch", "n_ubatch", "n_gpu_layers", "cache_ram_mib"):
        if getattr(asked, name) is not None:
            setattr(params, name, getattr(asked, name))
    if asked.threads is not None:
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = asked.threads
    return params


def _options() -> _Options:
    options = _Options(prog="llama-server", allow_abbrev=False)
    options.add_argument("-m", "--model", required=True)
    options.add_argument("-a", "--alias")
    options.add_argument("--host", default=os.environ.get("LLAMA_ARG_HOST", "127.0.0.1"))
    options.add_argument("--port", type=int, default=os.environ.get("LLAMA_ARG_PORT", "8080"))
    options.add_argument("-c", "--ctx-size", type=int, dest="n_ctx")
    options.add_argument("-np", "--parallel", type=int, dest="n_parallel")
    options.add_argument("-b", "--batch-size", type=int, dest="n_batch")
    options.add_argument("-ub", "--ubatch-size", type=int, dest="n_ubatch")
    options.add_argument("-t", "--threads", type=int)
    layers = ("-ngl", "--gpu-layers", "--n-gpu-layers")
    options.add_argument(*layers, type=int, dest="n_gpu_layers")
    options.add_argument("-cram", "--cache-ram", type=int, dest="cache_ram_mib")
    options.add_argument("--metrics", action="store_true")
    options.add_argument("--slots", action=argparse.BooleanOptionalAction, default=True)
    options.add_argument("--webui", action=argparse.BooleanOptionalAction, default=True)
    return options


if __name__ == "__main__":
    sys.exit(main())
