"""Who asked to be left alone for a while, and until when."""

from __future__ import annotations

from collections.abc import Collection

from domain.clock import Clock
from inference.endpoints import Endpoint, Incarnation, Place
from inference.retry_after import Later, seconds

LONGEST = 60.0
"""Seconds that anybody is left alone for, whatever was asked for: limits are lifted by hand, and
clocks are wrong."""


class Cooling:
    """Endpoints that said when to ask again. That is no failure: they are well, and come after
    those that said nothing of the kind until their time is up, or asked if nobody else is left.

    Only time ends it. An answer meanwhile may be one to what was asked long before.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until: dict[Incarnation, tuple[float, float]] = {}
        """Until when they are left alone, and until when they would like to be, by the monotonic
        clock."""

    def begin(self, endpoint: Endpoint, later: Later) -> None:
        """It has just said when to ask again. What it said before no longer counts."""
        now, wait = self._clock.monotonic(), seconds(later, self._clock.now())
        self._until = {key: each for key, each in self._until.items() if each[0] > now}
        self._until[endpoint.incarnation] = now + min(wait, LONGEST), now + wait

    def places(self, candidates: Collection[Endpoint]) -> frozenset[Place]:
        """Those of the candidates that are left alone now while there is anybody else."""
        if not self._until:
            return frozenset()
        return frozenset(each.place for each in candidates if self.left(each))

    def left(self, endpoint: Endpoint) -> float:
        """Seconds for which it is left alone; 0 for none."""
        until, _ = self._until.get(endpoint.incarnation, (0.0, 0.0))
        return max(0.0, until - self._clock.monotonic())

    def soonest(self, candidates: Collection[Endpoint]) -> float | None:
        """Seconds after which the first of the candidates would like to be asked again; None when
        one of them can be asked now, or there is none."""
        if not candidates or not all(self.left(each) for each in candidates):
            return None
        now = self._clock.monotonic()
        return min(self._until[each.incarnation][1] for each in candidates) - now
