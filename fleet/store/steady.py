"""A connection whose work is finished even when whoever asked for it is cancelled.

A task that is cancelled while SQLite is at work leaves SQLAlchemy with a connection it can only
throw away; the statement goes on in its thread, and the lock it took is held until somebody
collects the garbage. Every later transaction then fails with "database is locked".
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

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


class SteadyConnection:
    """What repositories run their statements on."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def execute(self, statement: sa.Executable) -> sa.CursorResult[Any]:
        """Run a statement."""
        return await finished(self._connection.execute(statement))

    async def scalar(self, statement: sa.Executable) -> Any:
        """Run a statement and take the first column of its first row; None without one."""
        return await finished(self._connection.scalar(statement))
