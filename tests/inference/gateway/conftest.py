"""A gateway before scripted upstreams, with clients of its own."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest

from domain.backends import Manner
from domain.clock import Clock
from domain.replicas import ReplicaId
from domain.usage import Served
from inference.client import Timeouts
from inference.endpoints import Endpoints
from inference.gateway.admission import Admission, OpenDoor
from inference.gateway.opening import Gateway, Ways, open_gateway
from inference.gateway.server import application, listening
from inference.gateway.tally import Listener
from tests.inference.conftest import SystemClock
from tests.upstreams import Upstream

HELLO = {"model": "tiny", "messages": [{"role": "user", "content": "Hi"}]}
STREAM = {**HELLO, "stream": True}
CHAT = "/v1/chat/completions"

PATIENT = Timeouts(connect=5.0, first_byte=30.0, idle=30.0, whole=30.0)
HASTY = Timeouts(connect=1.0, first_byte=0.3, idle=0.3, whole=0.3)
"""For what never answers; whatever does is given all the time it needs."""


@dataclass
class Said:
    """What a client got."""

    status: int
    body: bytes
    headers: dict[str, str]

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        return self.json["error"]

    @property
    def events(self) -> list[Any]:
        lines = [line[6:] for line in self.body.decode().split("\n") if line.startswith("data: ")]
        return [line if line == "[DONE]" else json.loads(line) for line in lines]

    @property
    def text(self) -> str:
        chunks = [event for event in self.events if isinstance(event, dict)]
        choices = [choice for chunk in chunks for choice in chunk.get("choices", ())]
        return "".join(choice["delta"].get("content") or "" for choice in choices)


@dataclass
class Stage:
    """One gateway that listens, and who stands behind it."""

    endpoints: Endpoints
    gateway: Gateway
    url: str
    http: aiohttp.ClientSession
    served: list[Served] = field(default_factory=list)
    listeners: list[Listener] = field(default_factory=list)
    manner: Manner = field(default_factory=lambda: Manner(keeps_alive=True))

    def admit(self, upstream: Upstream | str, number: int = 0, service: str = "tiny") -> ReplicaId:
        url = upstream if isinstance(upstream, str) else upstream.url
        replica = ReplicaId(service, "3fa9c1", number)
        self.endpoints.expect(service, number + 1)
        self.endpoints.admit(replica, url, manner=self.manner)
        return replica

    def prefer(self, number: int, service: str = "tiny") -> None:
        """Have one replica be asked first: the others seem busy."""
        for endpoint in self.endpoints.of(service):
            busy = endpoint.replica.ordinal != number
            self.endpoints.admit(
                endpoint.replica, endpoint.url, capacity=1 if busy else 1000, manner=self.manner
            )
            if busy:
                self.endpoints._tables[service][endpoint.place].in_flight += 1

    async def ask(self, body: Any = HELLO, path: str = CHAT, **options: Any) -> Said:
        async with self.http.post(self.url + path, json=body, **options) as response:
            return Said(response.status, await response.read(), dict(response.headers))

    async def get(self, path: str) -> Said:
        async with self.http.get(self.url + path) as response:
            return Said(response.status, await response.read(), dict(response.headers))

    @property
    def in_flight(self) -> int:
        return sum(e.in_flight for name in self.endpoints.known for e in self.endpoints.of(name))


@asynccontextmanager
async def staged(
    ways: Ways,
    drain: float = 5.0,
    admission: Admission | None = None,
    clock: Clock | None = None,
) -> AsyncIterator[Stage]:
    endpoints, clock = Endpoints(), clock or SystemClock()
    served: list[Served] = []
    async with open_gateway(endpoints, ways, clock, random.Random(1)) as gateway:
        listeners: list[Listener] = [served.append]

        def ended(request: Served) -> None:
            for listener in listeners:
                listener(request)

        app = application(gateway, admission or OpenDoor(), clock, ended)
        async with (
            listening(app, "127.0.0.1:0", drain) as address,
            aiohttp.ClientSession() as http,
        ):
            yield Stage(endpoints, gateway, f"http://{address}", http, served, listeners)


@pytest.fixture
async def stages() -> AsyncIterator[Callable[..., Any]]:
    """Opens gateways, led as a test says."""
    async with AsyncExitStack() as stack:

        async def opened(
            timeouts: Timeouts = PATIENT,
            hold: float = 5.0,
            clock: Clock | None = None,
            **ways: Any,
        ) -> Stage:
            led = Ways(hold=hold, timeouts=timeouts, **ways)
            return await stack.enter_async_context(staged(led, clock=clock))

        yield opened


@pytest.fixture
async def stage(stages: Callable[..., Any]) -> Stage:
    opened: Stage = await stages()
    return opened


@pytest.fixture
async def upstreams() -> AsyncIterator[Callable[..., Any]]:
    """Starts upstreams."""
    async with AsyncExitStack() as stack:

        async def started(*names: str) -> Upstream:
            return await stack.enter_async_context(Upstream.started(*names))

        yield started


@pytest.fixture
async def pair(stage: Stage, upstreams: Callable[..., Any]) -> tuple[Upstream, Upstream]:
    """Two replicas, of which the first is asked first."""
    first, second = await upstreams(), await upstreams()
    stage.admit(first, 0)
    stage.admit(second, 1)
    stage.prefer(0)
    return first, second


async def soon(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(10.0):
        while not condition():
            await asyncio.sleep(0.01)
