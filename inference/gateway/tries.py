"""Whom a request is put to: one after the other, until somebody answers or nobody is left."""

from __future__ import annotations

from dataclasses import replace

from domain.usage import Fault
from inference.endpoints import Endpoint, Incarnation
from inference.gateway.misses import Missed
from inference.goals import Goal
from inference.retry_after import saying
from inference.router import NotReady, Router

AT_MOST = 3
"""Endpoints that one request is put to, before it is given up."""


class Tries:
    """The way of one request along the endpoints that its goal leads to."""

    __slots__ = ("_affinity", "_goal", "_last", "_router", "_same", "_tried", "fresh", "usage")

    def __init__(
        self, router: Router, goal: Goal, affinity: str | None, first: Endpoint | None = None
    ) -> None:
        self._router, self._goal, self._affinity = router, goal, affinity
        self._tried: set[Incarnation] = set()
        self._last: Missed | None = None
        self._same = first
        """Who is asked next, whatever else is to be said of it."""
        self.fresh = False
        """Whether no connection may be used that was used before."""
        self.usage = True
        """Whether a stream may be asked for its usage."""

    async def next(self) -> Endpoint:
        """Who is asked now. Waits for those who get ready, where nobody is.

        Raises the last Missed once enough were asked, NotReady when nobody could be.
        """
        if self._same is not None:
            endpoint, self._same = self._same, None
            return endpoint
        if len(self._tried) >= AT_MOST and self._last is not None:
            raise self._in_all(self._last)
        chosen = self._router.choose(self._goal, self._tried, self._affinity)
        if chosen is None and await self._may_get_ready():
            chosen = self._router.choose(self._goal, self._tried, self._affinity)
        if chosen is None:
            if self._last is None:
                raise NotReady(f"{self._goal.asked} has no ready replica")
            raise self._in_all(self._last)
        return chosen

    def missed(self, endpoint: Endpoint, miss: Missed) -> None:
        """It came to nothing there. What that says about the endpoint is kept."""
        if miss.lost and endpoint.manner.keeps_alive and not self.fresh:
            self._same, self.fresh = endpoint, True  # it may have been closed while it lay idle
            return
        if miss.usage:
            self._same, self.usage = endpoint, False
            return
        self.fresh = False
        self._last = miss
        self._tried.add(endpoint.incarnation)
        health = self._router.health
        if miss.again is not None:
            health.cooling.begin(endpoint, miss.again)
        if miss.fault not in (Fault.BUSY, Fault.REFUSED):
            health.failed(endpoint, miss.why, certain=miss.certain)

    def _in_all(self, miss: Missed) -> Missed:
        """What the last one said. Where all of them want to be asked later, with when the first
        of them does."""
        wait = self._router.soonest(self._goal)
        if wait is not None and miss.again is not None and miss.answer is not None:
            headers = saying(miss.answer.headers, wait)
            miss.answer = replace(miss.answer, headers=headers)
        return miss

    async def _may_get_ready(self) -> bool:
        """Those that were busy or failed are not waited for: they had their say."""
        if self._last is not None and self._last.fault is not Fault.UNREACHABLE:
            return False
        return await self._router.ready(self._goal, self._tried)
