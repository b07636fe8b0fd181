"""A fleet over Docker engines, without a room."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployers import registry
from deployers.protocol import Deployer, Tools
from domain.decisions import NOBODY
from domain.operations import Operation
from domain.replicas import Observed
from domain.services import Placement, ServiceSpec
from domain.sources import parse_source
from fleet.cancellations import Cancellations
from fleet.decisions import Decisions
from fleet.fleet import Fleet
from fleet.store.database import Store
from inference.client import open_session
from inference.endpoints import Endpoints
from inference.probe import Prober
from tests.contract.stages import RealClock
from tests.engines.images import LLAMACPP
from tests.fleet.world import Asked

_numbers = itertools.count()


@dataclass(frozen=True)
class DockerFleet:
    """One target, `docker`, and the fleet over it."""

    store: Store
    fleet: Fleet
    deployer: Deployer
    endpoints: Endpoints

    def spec(self, replicas: int, **fields: Any) -> ServiceSpec:
        """A service `tiny` with so many replicas."""
        placed = (Placement(target="docker", replicas=replicas),)
        said = {"source": parse_source("tiny://ops"), "placements": placed, "context": 64}
        return ServiceSpec(name="tiny", **{**said, **fields})

    async def change(self, want: ServiceSpec) -> None:
        """Make it so."""
        clock, number = RealClock(), next(_numbers)
        operation = Operation(
            id=f"op{number}",
            origin=f"bench{number}",
            room="!bench:x.org",
            sender="@bench:x.org",
            text="deploy tiny",
            said_at=clock.now(),
            changes=True,
            service="tiny",
        )
        async with self.store.transaction() as tx:
            await tx.operations.file([operation])
        asking = Asked(Decisions(self.store, clock), operation, NOBODY)
        await self.fleet.change("tiny", operation, lambda _: want, asking, lambda _: None)

    async def look(self) -> Observed:
        """See what runs."""
        return await self.deployer.observe("tiny")


@asynccontextmanager
async def opened(targets: Mapping[str, Mapping[str, Any]]) -> AsyncIterator[DockerFleet]:
    """A fleet over one target with these settings, until the block ends."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gantry-bench-")))
        http = await stack.enter_async_context(open_session())
        clock, kind = RealClock(), registry.kind("docker")
        prober = Prober(http, clock)
        images = {"llamacpp": LLAMACPP.reference}
        settings = kind.settings.model_validate(
            {"kind": "docker", "images": images, **targets["docker"]}
        )
        deployer = kind.open("docker", settings, Tools(prober, clock, folder))
        stack.push_async_callback(deployer.aclose)
        store = await Store.open(folder / "gantry.db")
        stack.push_async_callback(store.aclose)
        endpoints = Endpoints()
        fleet = Fleet(
            store, {"docker": deployer}, endpoints, Cancellations(), prober.measure, clock, {}
        )
        yield DockerFleet(store, fleet, deployer, endpoints)
