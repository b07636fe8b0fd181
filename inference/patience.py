"""How long one attempt waits to hear something: until the first byte, then between two."""

from __future__ import annotations

import asyncio
import math
from types import TracebackType
from typing import Self


class Patience:
    """Ends the block with TimeoutError once nothing has been heard for too long.

    Only waiting counts: between `pause` and `resume`, while somebody slow takes what has come, it
    never ends. The timer is set anew when it rings, so that hearing costs next to nothing. Ends it
    as `asyncio.timeout` does, which would cost every request a second timer.
    """

    def __init__(self, seconds: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[object] | None = None
        """Whose block it is, while that lasts."""
        self._cancelled = 0
        """How often the task was cancelled already when the block began."""
        self._over = False
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
        sooner = seconds < self._seconds
        self._begun = True
        self._seconds = seconds
        self.heard_at = self._loop.time()
        if sooner and self._timer is not None:  # it would ring too late
            self._timer.cancel()
            self._ring()

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
            self._loop.call_soon(self._sent_on)

    async def __aenter__(self) -> Self:
        self._task = asyncio.current_task()
        assert self._task is not None
        self._cancelled = self._task.cancelling()
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
        task, self._task = self._task, None
        if not self._over or task is None or task.uncancel() > self._cancelled:
            return  # whatever ends it is not this, or somebody else wants the task ended, too
        if kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _sent_on(self) -> None:
        """In the same moment the first thing may have come, and be on its way already."""
        if self._waiting and not self._begun:
            self._end()
        else:
            self.why = None

    def _ring(self) -> None:
        left = self._seconds - self.silence
        if left <= 0:
            self._end()
        elif left < math.inf:
            self._timer = self._loop.call_later(left, self._ring)

    def _end(self) -> None:
        if self._task is not None and not self._over:
            self._over = True
            self._task.cancel()
