"""A Docker host and a hub that its containers can reach, for tests of what is fetched there."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployers.docker.deployer import DockerDeployer
from deployers.models.bundled import bundled
from domain.progress import Progress
from domain.services import ServiceSpec
from domain.sources import parse_source
from tests.contract.stages import Stage
from tests.deployers.hub_double import HubDouble
from tests.engines.engine import DockerEngine

CONTENT = bundled(parse_source("tiny://ops")).read_bytes()
SOURCE = "hf://org/model/folder/m.gguf"
INSIDE = "hf/org/model/main/folder/m.gguf"
CANARY = "hf_canaryOfTheToken0123456789"


@dataclass
class Warehouse:
    """One host with an empty volume."""

    stage: Stage
    engine: DockerEngine
    hub: HubDouble
    volume: str

    def open(self, **settings: Any) -> DockerDeployer:
        """A deployer over it, as after a restart of the bot."""
        deployer = self.stage.open(**settings)
        assert isinstance(deployer, DockerDeployer)
        return deployer

    def spec(self, source: str = SOURCE, **fields: Any) -> ServiceSpec:
        """A service of the hub's file."""
        return self.stage.spec(source=source, **fields)

    @property
    def folder(self) -> Path:
        """Where the volume really is, as root sees it."""
        return self.engine.folder / "data" / "volumes" / self.volume / "_data"

    @property
    def file(self) -> Path:
        """What is fetched."""
        return self.folder / INSIDE

    @property
    def asked(self) -> list[str | None]:
        """The ranges that the CDN was asked for."""
        return [wanted for who, method, _, wanted in self.hub.seen if (who, method) == _GET]

    def errands(self) -> list[dict[str, Any]]:
        """Every container that fetches or fetched."""
        return self._containers({"label": "gantry.role=fetch"})

    def everything(self) -> str:
        """All that the engine tells of its containers and their logs."""
        client = self.engine.client()
        try:
            logs = [each.logs() for each in client.containers.list(all=True)]
        finally:
            client.close()
        return json.dumps(self._containers({})) + b"".join(logs).decode("utf-8", "replace")

    def _containers(self, filters: dict[str, str]) -> list[dict[str, Any]]:
        client = self.engine.client()
        try:
            found = client.containers.list(all=True, filters=filters, ignore_removed=True)
            return [each.attrs for each in found]
        finally:
            client.close()


_GET = ("cdn", "GET")


def gateway(engine: DockerEngine) -> str:
    """This machine's address, for containers."""
    own = next(engine.bridge.block.subnets(new_prefix=24))
    return str(own[1])


def small_volume(engine: DockerEngine, name: str, size: str) -> None:
    """A volume of models that is full after so much, as `mount -t tmpfs -o size=` takes it."""
    client = engine.client()
    options = {"type": "tmpfs", "device": "tmpfs", "o": f"size={size}"}
    client.volumes.create(name, driver="local", driver_opts=options)
    client.close()


async def until(news: list[Progress], words: str) -> Progress:
    """Wait until something was told that has these words."""
    async with asyncio.timeout(30):
        while True:
            for each in news:
                if words in each.text:
                    return each
            await asyncio.sleep(0.05)
