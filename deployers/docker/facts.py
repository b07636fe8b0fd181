"""What a Docker host says of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from deployers.docker import hardware
from deployers.docker.api import Api
from deployers.docker.offered import Offered
from deployers.docker.room import Room, measured
from domain.errors import OpsError
from domain.replicas import Gpu, TargetFacts

KIND = "docker"

_UNKNOWN = Room()


async def ask(name: str, api: Api, offered: Offered) -> TargetFacts:
    """The facts of one host; what is free there, as it is now. Never raises for one that does not
    answer."""
    try:
        info = await offered.said()
    except OpsError as error:
        return TargetFacts(name, KIND, reachable=False, note=error.summary, advice=error.hint)
    cards, room = await asyncio.gather(
        api.cards(), measured(api, info, local=api.address.startswith("unix:"))
    )
    return told(name, info, cards, room)


def told(
    name: str, info: Mapping[str, Any], cards: tuple[Gpu, ...] | None, room: Room = _UNKNOWN
) -> TargetFacts:
    """From what `docker info` and `nvidia-smi` say, and what was measured. Pure.

    Cards that the engine cannot give to containers are none; the note tells of them.
    """
    trouble = hardware.trouble(info)
    note = f"Docker {info.get('ServerVersion', '?')}, {info.get('OperatingSystem', '?')}"
    if trouble and cards:
        note += f"; it has {cards[0].name}, but {trouble}"
    return TargetFacts(
        name,
        KIND,
        reachable=True,
        note=note,
        cpus=info.get("NCPU"),
        memory_free=room.memory,
        disk_free=room.disk,
        gpus=() if trouble else cards or (),
        no_cards=trouble,
        cards_at_risk=hardware.at_risk(info),
    )
