"""Asking a running operation to end early."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from domain.errors import Cancelled

T = TypeVar("T")


class Cancellations:
    """Who wants which operation to end. A shutdown is something else: it asks nobody."""

    def __init__(self) -> None:
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

    async def guard(self, operation: str, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end, or cancel it and raise Cancelled once somebody asks for that.

        What was started is finished or cancelled, and awaited, by the time this returns.
        """
        task = asyncio.create_task(work, name=f"operation {operation}")
        asked = asyncio.create_task(self._event(operation).wait(), name=f"cancel {operation}")
        try:
            await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            raise Cancelled(f"cancelled by {self._by[operation]}")
        finally:
            task.cancel()
            asked.cancel()
            await asyncio.wait({task, asked})
            if task.done() and not task.cancelled():
                task.exception()

    def _event(self, operation: str) -> asyncio.Event:
        return self._asked.setdefault(operation, asyncio.Event())
