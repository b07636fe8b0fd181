"""What the machine under the bot has to offer."""

from __future__ import annotations

import asyncio
import os
import shutil
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from deployers import memory
from domain.replicas import Gpu, TargetFacts

INSTALL = "pip install 'gantry[llamacpp]'"

_ASK = ("--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")
_PATIENCE = 5.0
_MIB = 1 << 20


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
        gpus=await _gpus(),
    )


def engine() -> str:
    """What serves, and its version; "" where it is not installed."""
    installed = find_spec("xllamacpp") is not None
    return f"llama.cpp from xllamacpp {version('xllamacpp')}" if installed else ""


def missing() -> str:
    """Why nothing can be served, with the command that helps."""
    return f"llama.cpp is not installed here; {INSTALL}"


def read_gpus(text: str) -> tuple[Gpu, ...]:
    """The cards in nvidia-smi's CSV; a line it could not fill in is left out."""
    found = []
    for line in text.splitlines():
        name, _, rest = line.partition(", ")
        total, _, free = rest.partition(", ")
        if total.isdigit() and free.isdigit():
            found.append(Gpu(name, int(total) * _MIB, int(free) * _MIB))
    return tuple(found)


async def _gpus() -> tuple[Gpu, ...]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        asking = await asyncio.create_subprocess_exec(
            program, *_ASK, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:  # found, but not to be run
        return ()
    try:
        async with asyncio.timeout(_PATIENCE):
            output, _ = await asking.communicate()
    except TimeoutError:  # a wedged driver hangs it for good
        return ()
    finally:
        if asking.returncode is None:
            asking.kill()
            await asking.wait()
    return read_gpus(output.decode("utf-8", "replace"))


def _nearest_existing(path: Path) -> Path:
    return next(folder for folder in (path, *path.parents) if folder.exists())
