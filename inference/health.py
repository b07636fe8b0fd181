"""Which model servers answer just now: a breaker for each, and word to those who wait."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

import structlog

from domain.backends import Tier
from domain.breaker import Breaker, State
from domain.clock import Clock
from inference.cooling import Cooling
from inference.endpoints import Endpoint, Endpoints, Incarnation, Place
from inference.patience import Patience

log = structlog.get_logger()


class Waiter(Protocol):
    """One request that waits for one endpoint."""

    @property
    def endpoint(self) -> Endpoint:
        """Whose answer it waits for."""
        ...

    @property
    def patience(self) -> Patience:
        """How long for."""
        ...

    def others(self) -> Collection[Endpoint]:
        """Whom else it may be put to, as things are now."""
        ...


class Health:
    """Judged by what requests and probes come to. An endpoint that is found dead loses those that
    wait for its first word, provided that somebody else could take them."""

    def __init__(self, endpoints: Endpoints, clock: Clock) -> None:
        self._endpoints = endpoints
        self._clock = clock
        self._breakers: dict[Incarnation, Breaker] = {}
        self._waiters: dict[Incarnation, set[Waiter]] = {}
        self.cooling = Cooling(clock)
        """Those that are well, but asked to be left alone for a while."""

    def breaker(self, endpoint: Endpoint) -> Breaker:
        """How an endpoint has answered lately."""
        return self._breakers.get(endpoint.incarnation, Breaker())

    def sick(self, candidates: Collection[Endpoint]) -> frozenset[Place]:
        """Those that should not be asked now while there is anybody else.

        Whoever is paid for by the token is not probed, and so is tried by one request once its time
        is up. With all others nobody has to wait to find out: they are back when a probe says so.
        """
        if not self._breakers:
            return frozenset()
        now = self._clock.monotonic()
        return frozenset(e.place for e in candidates if not self._may_be_asked(e, now))

    def _may_be_asked(self, endpoint: Endpoint, now: float) -> bool:
        breaker = self.breaker(endpoint)
        if endpoint.manner.tier is Tier.CLOUD:
            return breaker.lets_through(now)
        return breaker.closed

    def begin(self, waiter: Waiter) -> None:
        """It begins to wait.

        Where the breaker is open, this is the one request that decides; one that ends without
        having found out leaves that to the next.
        """
        key = waiter.endpoint.incarnation
        breaker = self._breakers.get(key) if self._breakers else None
        if breaker is not None:
            self._breakers[key] = breaker.probed()
        self._waiters.setdefault(key, set()).add(waiter)

    def end(self, waiter: Waiter) -> None:
        """It does no longer."""
        key = waiter.endpoint.incarnation
        waiters = self._waiters[key]
        waiters.discard(waiter)
        if not waiters:
            del self._waiters[key]
        breaker = self._breakers.get(key) if self._breakers else None
        if breaker is not None and breaker.state is State.HALF_OPEN:
            self._breakers[key] = breaker.hurried(self._clock.monotonic())

    def answered(self, endpoint: Endpoint) -> None:
        """It does answer: whatever was held against it is forgotten."""
        before = self._breakers.pop(endpoint.incarnation, None)
        if before is not None and not before.closed:
            log.info("backend is back", replica=str(endpoint.replica), away_since=str(before.since))

    def failed(self, endpoint: Endpoint, why: str, *, certain: bool = False) -> None:
        """It did not. Once is enough to leave it alone for a while if that is `certain`, and for
        longer if its time was up."""
        key, before = endpoint.incarnation, self.breaker(endpoint)
        now = self._clock.now(), self._clock.monotonic()
        tried = before.probed() if before.lets_through(now[1]) else before
        self._breakers[key] = after = tried.failed(why, *now, certain=certain)
        if before.closed and not after.closed:
            log.warning("backend is away", replica=str(endpoint.replica), why=why)
        if not after.closed:
            self._send_on(endpoint, why)

    def silent(self, since: float) -> list[Endpoint]:
        """Endpoints from which somebody has heard nothing for so many seconds."""
        found = {
            key: waiter.endpoint
            for key, waiters in self._waiters.items()
            for waiter in waiters
            if waiter.patience.silence >= since
        }
        return list(found.values())

    def away(self) -> list[Endpoint]:
        """Those in the table that are left alone just now. Forgets what is no longer there."""
        found = {key: self._endpoints.still(key) for key in self._breakers}
        for key in [key for key, endpoint in found.items() if endpoint is None]:
            del self._breakers[key]
        return [e for e in found.values() if e is not None and not self.breaker(e).closed]

    def _send_on(self, endpoint: Endpoint, why: str) -> None:
        for waiter in tuple(self._waiters.get(endpoint.incarnation, ())):
            if any(self.breaker(other).closed for other in waiter.others()):
                waiter.patience.give_up(why)
