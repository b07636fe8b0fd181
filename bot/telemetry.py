"""What is measured: every request that ended, and how the fleet stands when somebody asks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from deployers.guard import Guard
from deployers.protocol import Deployer
from domain.clock import Clock
from domain.errors import OpsError
from domain.usage import Served
from fleet.store.database import Store
from inference.endpoints import Endpoint, Endpoints, Place
from inference.engine_metrics import EngineMetrics
from inference.health import Health
from inference.readings import Figures, Reading, UpstreamReading
from inference.scraping import scrape_all
from inference.traffic import Traffic, Window

STORE_LIMIT = 2.0
"""Seconds for which the state may keep a reading waiting."""


class Instruments(Protocol):
    """What can be read of a fleet at any moment."""

    async def reading(self) -> Reading:
        """All of it."""
        ...

    async def engines(self, service: str) -> Mapping[Place, EngineMetrics]:
        """What the engines of one service say."""
        ...


class Telemetry:
    """Lives as long as the process: what it counted outlasts a house that is built anew."""

    def __init__(self, clock: Clock) -> None:
        self._window = Window(clock.monotonic)
        self._listeners: list[Callable[[Served], None]] = [self._window.note]
        self.instruments: Instruments | None = None
        """Set while there is a fleet to read."""

    def listen(self, listener: Callable[[Served], None]) -> None:
        """Have somebody hear of every request that ends from now on."""
        self._listeners.append(listener)

    def publish(self, served: Served) -> None:
        """Tell everybody of a request that has just ended. Who serves requests calls it once for
        each, on the event loop."""
        for listener in self._listeners:
            listener(served)

    async def reading(self) -> Reading:
        """How the fleet stands; empty while there is none, as when the bot stands by."""
        return await self.instruments.reading() if self.instruments else Reading()

    def lately(self, name: str) -> Traffic | None:
        """What was asked of a service or a backend in the last minute."""
        return self._window.lately(name)

    async def of(self, service: str) -> Figures:
        """What was measured of one service lately."""
        engines = await self.instruments.engines(service) if self.instruments else {}
        return Figures(self.lately(service), engines)


@dataclass(frozen=True, slots=True)
class FleetInstruments:
    """Reads the routing table, the engines behind it, the state and the targets' breakers."""

    endpoints: Endpoints
    health: Health
    session: aiohttp.ClientSession
    store: Store
    deployers: Mapping[str, Deployer]

    async def reading(self) -> Reading:
        """All of it, within about two seconds. What cannot be read is left out."""
        seats = [each for name in self.endpoints.known for each in self.endpoints.of(name)]
        engines, wanted = await asyncio.gather(self._told(seats), self._wanted())
        return Reading(
            tuple(self._upstream(each, engines.get(each.place)) for each in seats),
            wanted,
            {name: guard.breaker.state for name, guard in self._guards()},
        )

    async def engines(self, service: str) -> Mapping[Place, EngineMetrics]:
        """What the engines of one service say, all asked at once."""
        return await self._told(self.endpoints.of(service))

    async def _told(self, seats: Sequence[Endpoint]) -> dict[Place, EngineMetrics]:
        """Of replicas alone: what others run is not asked more than it has to be."""
        ours = {each.place: each.url for each in seats if each.ours}
        return await scrape_all(self.session, ours)

    async def _wanted(self) -> dict[str, int]:
        try:
            async with asyncio.timeout(STORE_LIMIT):
                if await self.store.flaw():
                    return {}
                async with self.store.transaction() as tx:
                    return {each.spec.name: each.spec.replicas for each in await tx.services.all()}
        except (TimeoutError, OpsError):
            return {}

    def _guards(self) -> list[tuple[str, Guard]]:
        return [(n, each) for n, each in self.deployers.items() if isinstance(each, Guard)]

    def _upstream(self, each: Endpoint, engine: EngineMetrics | None) -> UpstreamReading:
        return UpstreamReading(
            each.service,
            str(each.replica) if each.ours else "",
            each.target,
            each.in_flight,
            admitted=each.admitted,
            engine=engine,
            breaker=self.health.breaker(each).state,
            cooling=self.health.cooling.left(each) > 0,
        )
