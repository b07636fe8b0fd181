"""One `ssh` that goes over a master, and what it says: gone when we are done with it.

It hands its ends of pipes to the master, which holds them until the far side has ended. What is
read here can be let go of before; asyncio waits for its own pipes as long as the master does.
"""

from __future__ import annotations

import asyncio
import os
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deployers.docker.ways import openssh


@asynccontextmanager
async def session(
    command: tuple[str, ...], over: int | None = None
) -> AsyncIterator[tuple[Process, asyncio.StreamReader]]:
    """The process, and what it writes: to both places, or with a connection to speak `over` (a file
    descriptor) what it says of errors. It is killed if it runs at the end."""
    loop, said = asyncio.get_running_loop(), asyncio.StreamReader()
    ours, theirs = os.pipe()
    wire, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(said), os.fdopen(ours, "rb")
    )
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=DEVNULL if over is None else over,
                stdout=theirs if over is None else over,
                stderr=theirs,
                env=openssh.environment(),
            )
        finally:
            os.close(theirs)
        try:
            yield process, said
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()
    finally:
        wire.close()
