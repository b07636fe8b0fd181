"""Rooms: which one another goes on as."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fleet.store.insert import insert
from fleet.store.tables import room_successors, services


class Rooms:
    """The room_successors table, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def successors(self) -> dict[str, str]:
        """Room -> the one it goes on as, in the order they were followed."""
        rows = await self._connection.execute(
            sa.select(room_successors).order_by(room_successors.c.at)
        )
        return {row.room: row.successor for row in rows}

    async def succeeded(self, room: str, successor: str, at: datetime) -> None:
        """A room goes on as another, and what was wanted from it is wanted from there now."""
        statement = insert(room_successors).values(room=room, successor=successor, at=at)
        await self._connection.execute(statement.on_conflict_do_nothing())
        await self._connection.execute(
            sa.update(services).where(services.c.room == room).values(room=successor)
        )
