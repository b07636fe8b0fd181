"""Projects that somebody brought up by hand, and what it takes to take them over."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from deployers.docker.marks import TAKEN_OVER
from deployers.protocol import Deployer, Foretelling
from domain.replicas import Observed
from domain.services import ServiceSpec
from tests.contract.stages import ignore, make_plan
from tests.deployers.docker.projects import PROJECT, Host, spec


def up(host: Host, text: str = PROJECT, folder: str = "chatty") -> Path:
    """Somebody has brought it up by hand."""
    place = host.write(text, folder)
    host.compose("-f", str(place), "up", "--detach", "--quiet-pull")
    return place


def lives(host: Host) -> dict[str, tuple[str, str, str]]:
    """What tells each container, and each run of it, from any other."""
    return {
        name: (each["Id"], each["State"]["StartedAt"], each["State"]["Status"])
        for name, each in host.containers().items()
    }


def marks(host: Host) -> set[str]:
    client = host.engine.client()
    try:
        return {str(each.name) for each in client.volumes.list(filters={"label": TAKEN_OVER})}
    finally:
        client.close()


def taking(place: Path, name: str = "chat", **fields: Any) -> ServiceSpec:
    return spec(place, name, take_over=True, **fields)


async def change(deployer: Deployer, want: ServiceSpec, operation: str) -> Observed:
    async with asyncio.timeout(90):
        await deployer.apply(await make_plan(deployer, want, operation), ignore)
    return await deployer.observe(want.name)


async def foretold(deployer: Deployer, want: ServiceSpec) -> str:
    assert isinstance(deployer, Foretelling)
    return "\n".join(await deployer.foretell(want))
