"""What is free on a Docker host: memory, and disk for models. Measured, or not told."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployers import memory
from deployers.docker.api import Api
from deployers.docker.container import REPLICA
from deployers.engines.preset import WEIGHTS
from domain.errors import OpsError

_PATIENCE = 1.5
"""Seconds; what takes longer is not told."""
_MOST = 32
"""Containers that are asked what they use."""
_ASK = f"cat /proc/meminfo; df -Pk {WEIGHTS} 2>/dev/null || df -Pk /"


@dataclass(frozen=True, slots=True)
class Room:
    """Bytes that are free; None where that cannot be told."""

    memory: int | None = None
    disk: int | None = None


async def measured(api: Api, info: Mapping[str, Any], *, local: bool) -> Room:
    """Look at this machine if the engine runs on it, else from inside a replica that runs there;
    where there is none, by what all containers use. Never raises.

    `local` says that the engine is reached by a socket of this machine; it may be in a virtual
    machine all the same, as Docker Desktop's is.
    """
    if local and same_machine(info):
        return Room(memory.here(), _disk(info))
    try:
        async with asyncio.timeout(_PATIENCE):
            return await _inside(api) or Room(await _rest(api, info))
    except (OpsError, TimeoutError):
        return Room()


def same_machine(info: Mapping[str, Any]) -> bool:
    """Whether what `docker info` says of its host is true of this one. Pure but for asking it."""
    own = os.uname()
    return (info.get("Name"), info.get("KernelVersion")) == (own.nodename, own.release)


def read(said: str) -> Room | None:
    """What a container says when asked, `/proc/meminfo` and `df -Pk` (POSIX); None for anything
    else. Both are the host's, and not the container's. Pure."""
    free = memory.available(said)
    words = said.split("\n")[-2].split() if said.endswith("\n") and "\n" in said[:-1] else []
    disk = int(words[3]) * 1024 if len(words) >= 6 and words[3].isdigit() else None
    return Room(free, disk) if free is not None else None


async def _inside(api: Api) -> Room | None:
    for each in await api.containers(**{REPLICA: ""}):
        if each["State"]["Status"] == "running":
            try:
                code, said = await api.run(each["Id"], ["sh", "-c", _ASK])
            except OpsError:
                continue  # no shell in it, or it has just ended
            if code == 0 and (room := read(said)):
                return room
    return None


async def _rest(api: Api, info: Mapping[str, Any]) -> int | None:
    """What containers leave of all there is. What else runs there is not seen."""
    total = info.get("MemTotal")
    running = int(info.get("ContainersRunning") or 0)
    if not total or running > _MOST:
        return None
    return max(0, int(total) - await api.used())


def _disk(info: Mapping[str, Any]) -> int | None:
    try:
        return shutil.disk_usage(str(info.get("DockerRootDir", ""))).free
    except OSError:
        return None
