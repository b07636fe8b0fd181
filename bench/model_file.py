"""A model of a size that people really deploy: the shape of Qwen2.5-0.5B-Instruct, and noise in it.

How long a server takes to load a model and to give a first token depends on how large it is and how
it is built, and not on what it has learned. So its weights are random, of our own making, and no
hub is asked. It is written by the `gguf` library, in an environment of its own.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from bench.peer_env import installed, reason
from domain.errors import OpsError

NAME = "qwen2.5-0.5b-shaped-q8_0.gguf"

_WRITER = ("gguf==0.19.0", "numpy==2.4.6")
_HOME = Path(".bench-peers") / "gguf"


def model_file(folder: Path) -> Path:
    """The file in that folder, written unless it is there: about 530 MB. Raises OpsError."""
    kept = folder / NAME
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f"{NAME}.{os.getpid()}"
        try:
            _write(draft)
            draft.replace(kept)
        finally:
            draft.unlink(missing_ok=True)
    return kept


def _write(path: Path) -> None:
    argv = [installed(_HOME, _WRITER), "-m", "bench.model_writing", path]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise OpsError(f"the model cannot be written: {reason(done.stderr)}")
