"""Puts the parts of the gateway together."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from domain.backends import Backend
from domain.clock import Clock
from domain.routes import Route
from inference.client import Timeouts, open_session
from inference.endpoints import Endpoints
from inference.gateway.relay import Relay
from inference.gateway.upstreams import Upstreams
from inference.health import Health
from inference.probing import Probing
from inference.router import Router


@dataclass(frozen=True, slots=True)
class Ways:
    """How requests are to be led."""

    backends: Sequence[Backend] = ()
    routes: Mapping[str, Route] = field(default_factory=dict)
    near: Collection[str] = ()
    """Targets whose replicas are asked before others."""
    affinity: Literal["none", "session", "prefix"] = "none"
    hold: float = 30.0
    """Seconds a request waits for a service that gets ready."""
    timeouts: Timeouts = field(default_factory=Timeouts)


@dataclass(frozen=True, slots=True)
class Gateway:
    """What asks, over HTTP and in rooms."""

    relay: Relay
    health: Health
    probing: Probing
    """To be run for as long as anybody asks."""
    affinity: str


@asynccontextmanager
async def open_gateway(
    endpoints: Endpoints, ways: Ways, clock: Clock, rng: random.Random
) -> AsyncIterator[Gateway]:
    """Everything between the routing table and whoever asks; nothing listens or runs yet."""
    for backend in ways.backends:
        endpoints.admit_backend(backend)
    endpoints.take(ways.routes)
    health = Health(endpoints, clock)
    router = Router(endpoints, health, rng, routes=ways.routes, near=ways.near, hold=ways.hold)
    upstreams = Upstreams(ways.timeouts.connect)
    try:
        async with open_session() as session:
            relay = Relay(router, upstreams, ways.timeouts)
            yield Gateway(relay, health, Probing(endpoints, health, session, clock), ways.affinity)
    finally:
        await upstreams.aclose()
