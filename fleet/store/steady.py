"""Commits that are finished even when whoever asked for them is cancelled.

A task that is cancelled while SQLite is at work in another thread leaves SQLAlchemy with a
connection it can only throw away; the work goes on, and the lock it took is held until somebody
collects the garbage. Every later transaction then fails with "database is locked".
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """Do the work to its end. A cancellation meanwhile is raised then, and not before."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        task.exception()
        raise cancelled
    return task.result()
