"""Asking a running operation to end early."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from domain.errors import Cancelled
from fleet.deadlines import PATIENCE, LeftAlone

T = TypeVar("T")


class Cancellations:
    """Who wants which operation to end. A shutdown is something else: it asks nobody."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self.patience = patience
        """Seconds that work gets to end once somebody asked for it."""
        self.left = LeftAlone()
        """What did not end in that time."""
        self._by: dict[str, str] = {}
        self._asked: dict[str, asyncio.Event] = {}

    def ask(self, operation: str, by: str) -> None:
        """Have what runs under `guard` for this operation end, now or when it comes to it."""
        self._by.setdefault(operation, by)
        self._event(operation).set()

    def forget(self, operation: str) -> None:
        """The operation ended."""
        self._by.pop(operation, None)
        self._asked.pop(operation, None)

    async def guard(
        self,
        operation: str,
        work: Coroutine[Any, Any, T],
        standing: str = "",
        *,
        begin: bool = False,
    ) -> T:
        """Run `work` to its end, or cancel it and raise Cancelled once somebody asks for that.

        If somebody has already it is not begun, unless with `begin`: then what is done in its first
        moment counts. What was started is finished or cancelled by the time this returns. Work
        that does not end within `patience` seconds of being told to is left to itself: the error
        then says so in `unanswered`. `standing` is what it says of how things are then.
        """
        if self._event(operation).is_set() and not begin:
            work.close()
            raise self._cancelled(operation, standing)
        task = asyncio.create_task(work, name=f"operation {operation}")
        asked = asyncio.create_task(self._event(operation).wait(), name=f"cancel {operation}")
        try:
            await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:  # the bot is stopping
            await self.left.end(task, self.patience)
            raise
        finally:
            asked.cancel()
        if task.done():
            return task.result()
        cancelled = self._cancelled(operation, standing)
        cancelled.unanswered = not await self.left.end(task, self.patience)
        raise cancelled

    def _cancelled(self, operation: str, standing: str) -> Cancelled:
        cancelled = Cancelled(f"cancelled by {self._by[operation]}")
        cancelled.standing = standing
        return cancelled

    def _event(self, operation: str) -> asyncio.Event:
        return self._asked.setdefault(operation, asyncio.Event())
