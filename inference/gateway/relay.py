"""Puts a request to one endpoint after the other until one of them answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from domain.errors import Unreachable
from domain.usage import Fault
from inference.client import Timeouts
from inference.endpoints import Endpoint
from inference.gateway.asked import Asked
from inference.gateway.attempt import Attempt, Opening
from inference.gateway.misses import Missed, Whole
from inference.gateway.tally import Tally
from inference.gateway.tries import Tries
from inference.gateway.upstreams import Upstreams
from inference.goals import Goal
from inference.router import Router


class Relay:
    """Between whoever asks, over HTTP or in a room, and whoever answers."""

    def __init__(self, router: Router, upstreams: Upstreams, timeouts: Timeouts) -> None:
        self.router = router
        self._upstreams = upstreams
        self._timeouts = timeouts

    async def whole(
        self,
        asked: Asked,
        goal: Goal,
        tally: Tally,
        affinity: str | None = None,
        first: Endpoint | None = None,
    ) -> Whole:
        """An answer that is not streamed; `first` is who is asked before others.

        Raises Missed, with what was said last, when nobody could give one; NotReady when nobody
        could be asked; Rejected for a clear no.
        """
        tries = Tries(self.router, goal, affinity, first)
        while True:
            attempt = await self._next(tries, asked, goal, tally)
            try:
                return await attempt.whole()
            except Unreachable as error:
                tries.missed(attempt.endpoint, _miss(error))

    async def stream(
        self, asked: Asked, goal: Goal, tally: Tally, affinity: str | None = None
    ) -> AsyncGenerator[Opening | bytes, None]:
        """A streamed one: an Opening once there is content, then whole events as they come.

        Raises as `whole` does before the Opening, and CutOff after it. Closing the generator
        closes the connection, which is how a backend learns to stop.
        """
        tries = Tries(self.router, goal, affinity)
        while True:
            attempt = await self._next(tries, asked, goal, tally)
            try:
                async with aclosing(attempt.stream()) as parts:
                    async for part in parts:
                        yield part
                return
            except Unreachable as error:
                tries.missed(attempt.endpoint, _miss(error))

    async def _next(self, tries: Tries, asked: Asked, goal: Goal, tally: Tally) -> Attempt:
        return Attempt(
            asked,
            goal,
            await tries.next(),
            tally,
            self.router,
            self._upstreams,
            self._timeouts,
            tries.fresh,
            tries.usage,
        )


def _miss(error: Unreachable) -> Missed:
    """Whoever drains since it was chosen takes nothing more; all else is a Missed already."""
    return error if isinstance(error, Missed) else Missed(error.summary, Fault.BUSY)
