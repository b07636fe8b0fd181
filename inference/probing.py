"""Finds out about model servers that are silent or away, without waiting for somebody to ask."""

from __future__ import annotations

import asyncio

import aiohttp

from domain.backends import Tier
from domain.clock import Clock
from domain.errors import OpsError, Refused
from inference.client import NoList, Timeouts, list_models
from inference.endpoints import Endpoint, Endpoints, Incarnation
from inference.goals import is_name
from inference.health import Health

SUSPECT = 0.5
"""Seconds of silence, while somebody waits for its first word, after which a server is asked for a
sign of life."""

PATIENCE = Timeouts(connect=1.0, first_byte=1.0)
"""A server that cannot list its models within a second hangs. One that computes still can."""

EVERY = 0.25
"""Seconds between two looks at who waits for whom. Nothing is sent while nobody waits."""

ABSENT = 1.0
"""Seconds between two questions to a server that is away."""

IDLE = 15.0
"""Seconds between two questions to a backend that is not ours and has nothing to do."""


class Probing:
    """Asks `/v1/models` of whoever there is reason to ask. What is paid for by the token is judged
    by requests alone: a clear no is an answer, too."""

    def __init__(
        self, endpoints: Endpoints, health: Health, session: aiohttp.ClientSession, clock: Clock
    ) -> None:
        self._endpoints = endpoints
        self._health = health
        self._session = session
        self._clock = clock
        self._asking: dict[Incarnation, asyncio.Task[None]] = {}
        self._next: dict[Incarnation, float] = {}
        """When a server may be asked again, by the monotonic clock."""

    async def run(self) -> None:
        """Look, for ever."""
        try:
            while True:
                self.look()
                await self._clock.sleep(EVERY)
        finally:
            for task in tuple(self._asking.values()):
                task.cancel()
            if self._asking:
                await asyncio.wait(self._asking.values())

    def look(self) -> None:
        """Ask whom there is reason to ask, and go on."""
        now = self._clock.monotonic()
        self._next = {key: at for key, at in self._next.items() if at > now}
        for endpoint in self._health.silent(SUSPECT):
            self._ask(endpoint, now, ABSENT)
        for endpoint in self._health.away():
            self._ask(endpoint, now, ABSENT)
        for endpoint in self._endpoints.foreign():
            self._ask(endpoint, now, IDLE)

    def _ask(self, endpoint: Endpoint, now: float, again: float) -> None:
        key = endpoint.incarnation
        if key in self._asking or key in self._next or endpoint.manner.tier is Tier.CLOUD:
            return
        self._next[key] = now + again
        task = asyncio.create_task(self._look_at(endpoint), name=f"probe {endpoint.replica}")
        self._asking[key] = task
        task.add_done_callback(lambda _: self._asking.pop(key, None))

    async def _look_at(self, endpoint: Endpoint) -> None:
        key = endpoint.manner.key if endpoint.manner.speaks == "openai" else None
        try:
            listed = await list_models(self._session, endpoint.url, PATIENCE, key)
            self._endpoints.lists(endpoint, [name for name in listed.ids if is_name(name)])
        except Refused:
            pass  # it does not take us without a key, or has no such page: it answers
        except NoList as error:
            why = f"{error.summary}; is its URL right?"
            self._health.failed(endpoint, why, certain=True)
            return
        except OpsError as error:
            self._health.failed(endpoint, f"no sign of life: {error.summary}", certain=True)
            return
        if not self._health.breaker(endpoint).closed:
            self._health.answered(endpoint)
