"""What the machine under the bot has to offer."""

from __future__ import annotations

import os
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from deployers import memory
from deployers.nvidia import local_gpus
from domain.replicas import TargetFacts

INSTALL = "pip install 'gantry[llamacpp]'"


def cpus() -> int:
    """Processors this process may use, which in a container are fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


async def facts(target: str, models: Path) -> TargetFacts:
    """Look at the machine. Without the engine it cannot be used, and the note says why."""
    installed = find_spec("xllamacpp") is not None
    note = engine() if installed else missing()
    return TargetFacts(
        target,
        "process",
        reachable=installed,
        note=note,
        cpus=cpus(),
        memory_free=memory.here(),
        disk_free=shutil.disk_usage(_nearest_existing(models)).free,
        gpus=await local_gpus(),
    )


def engine() -> str:
    """What serves, and its version; "" where it is not installed."""
    installed = find_spec("xllamacpp") is not None
    return f"llama.cpp from xllamacpp {version('xllamacpp')}" if installed else ""


def missing() -> str:
    """Why nothing can be served, with the command that helps."""
    return f"llama.cpp is not installed here; {INSTALL}"


def _nearest_existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
