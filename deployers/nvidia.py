"""Graphics cards as `nvidia-smi` tells them, on this machine or any other."""

from __future__ import annotations

import asyncio
import shutil

from domain.replicas import Gpu

ASK = ("--query-gpu=name,memory.total,memory.free", "--format=csv,noheader,nounits")
"""What `nvidia-smi` is told."""

_PATIENCE = 5.0
_MIB = 1 << 20


def read_gpus(text: str) -> tuple[Gpu, ...]:
    """The cards in nvidia-smi's CSV; a line it could not fill in is left out."""
    found = []
    for line in text.splitlines():
        name, _, rest = line.strip().partition(", ")
        total, _, free = rest.partition(", ")
        if total.isdigit() and free.isdigit():
            found.append(Gpu(name, int(total) * _MIB, int(free) * _MIB))
    return tuple(found)


async def local_gpus() -> tuple[Gpu, ...]:
    """The cards of this machine; none where there is no `nvidia-smi`, or it does not answer."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    try:
        asking = await asyncio.create_subprocess_exec(
            program, *ASK, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
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
