"""How long one attempt waits to hear something: until the first byte, then between two."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Self


class Patience:
    """Ends the block with TimeoutError once nothing has been heard for too long.

    Only waiting counts: between `pause` and `resume`, while somebody slow takes what has come, it
    never ends. The timer is set anew only when it rings, so hearing costs next to nothing.
    """

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timeout = asyncio.timeout(None)
        self._timer: asyncio.TimerHandle | None = None
        self._seconds = seconds
        self.heard_at = self._loop.time()
        """When something was heard last, by the loop's clock; at first, when it was begun."""
        self._waiting = True
        self._begun = False
        self.why: str | None = None
        """Why it was ended before its time, if it was."""

    def heard(self, seconds: float) -> None:
        """Something came; the next thing gets so many seconds. From then on it can no longer be
        given up: nobody else may go on with what has begun."""
        self._begun = True
        self._seconds = seconds
        self.heard_at = self._loop.time()

    def pause(self) -> None:
        """Nothing is waited for."""
        self._waiting = False

    def resume(self) -> None:
        """Wait again, from now on."""
        self._waiting = True
        self.heard_at = self._loop.time()

    @property
    def silence(self) -> float:
        """Seconds for which nothing was heard; 0 while nothing is waited for."""
        return self._loop.time() - self.heard_at if self._waiting else 0.0

    def give_up(self, why: str) -> None:
        """End it now, if it still waits for the first thing."""
        if self._waiting and not self._begun and self.why is None:
            self.why = why
            self._timeout.reschedule(self._loop.time())

    async def __aenter__(self) -> Self:
        await self._timeout.__aenter__()
        self._ring()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        await self._timeout.__aexit__(kind, error, traceback)

    def _ring(self) -> None:
        now = self._loop.time()
        left = self.heard_at + self._seconds - now if self._waiting else self._seconds
        if left <= 0:
            self._timer = None
            self._timeout.reschedule(now)
        elif left < math.inf:
            self._timer = self._loop.call_later(left, self._ring)
