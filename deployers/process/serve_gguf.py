"""Serves one GGUF file with llama.cpp until told to stop: the program of one replica.

Run as a file, not as a module, so that it needs neither our packages nor a working directory.
It outlives the bot that started it. What tells others that it runs is the lock on `lock` in its
folder: handed over by whoever started it, or taken here, and let go by the kernel however it
ends.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

_TRIM_EVERY = 60.0

EXIT_NO_FOLDER = 3
EXIT_NO_ENGINE = 4
EXIT_NOT_SERVED = 5
"""llama.cpp refused the model or the port; it has written why."""


def main() -> int:
    """Serve, and return the exit code."""
    asked = _arguments()
    folder: Path = asked.replica_dir
    try:
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT) if asked.lock < 0 else asked.lock
    except OSError as error:
        print(f"no folder to serve from: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_NO_FOLDER
    os.set_inheritable(lock, False)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0  # the replica is already served
    os.ftruncate(lock, 0)
    os.pwrite(lock, str(os.getpid()).encode(), 0)
    return _serve(asked, folder)


def _serve(asked: argparse.Namespace, folder: Path) -> int:
    try:
        engine: Any = import_module("xllamacpp")
    except ImportError as error:
        print(f"no engine: {error}; pip install 'gantry[llamacpp]'", file=sys.stderr)  # noqa: T201
        return EXIT_NO_ENGINE
    try:
        server = engine.Server(_parameters(engine.CommonParams(), asked))
    except RuntimeError as error:
        print(f"not served: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_NOT_SERVED
    # Only now: while a model loads nothing needs saving, and SIGTERM should end that at once.
    stop = threading.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: stop.set())
    draft = folder / "endpoint.draft"
    try:
        draft.write_text(server.listening_address)
        draft.replace(folder / "endpoint")
    except OSError as error:
        print(f"the folder is gone: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_NO_FOLDER
    while not stop.wait(_TRIM_EVERY):
        trim(folder / "log")
    return 0


def trim(log: Path, longest: int = 64 << 20, kept: int = 1 << 20) -> None:
    """Cut a log that grew too long down to its end.

    Safe while llama.cpp writes: the log was opened for appending, so that each write finds the
    new end by itself.
    """
    try:
        size = log.stat().st_size
        if size > longest:
            with log.open("rb") as file:
                file.seek(size - kept)
                end = file.read().partition(b"\n")[2]
            os.truncate(log, 0)
            with log.open("ab") as file:
                file.write(end)
    except OSError as error:
        print(f"the log cannot be cut: {error}", file=sys.stderr)  # noqa: T201


def _parameters(params: Any, asked: argparse.Namespace) -> Any:
    params.model.path = str(asked.model)
    params.model_alias = {asked.alias}
    params.hostnames, params.port = ["127.0.0.1"], asked.port
    params.n_ctx, params.n_parallel = asked.context, asked.parallel
    params.n_batch = params.n_ubatch = asked.batch
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = asked.threads
    params.endpoint_metrics = True
    params.endpoint_slots = False  # would show people's prompts to whoever asks
    params.ui = False
    # By default any page open in a browser on this machine could talk to the model.
    params.cors_origins, params.cors_origins_explicit = "", True
    params.cache_ram_mib = 0
    if asked.gpu_layers is not None:
        params.n_gpu_layers = asked.gpu_layers
    return params


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--replica-dir", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--context", type=int, required=True, help="tokens, all slots together")
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--gpu-layers", type=int)
    parser.add_argument("--lock", type=int, default=-1, help="descriptor of the lock, handed over")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
