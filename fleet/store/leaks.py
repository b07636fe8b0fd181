"""Leaks: what the bot said in the clear after a room was encrypted, until it is taken away."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fleet.store.insert import insert
from fleet.store.tables import leaks


class Leaks:
    """The leaks table, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def note(self, event_id: str, room: str, at: datetime) -> bool:
        """Note that an event is to be taken away. False if that was noted before."""
        statement = insert(leaks).values(event_id=event_id, room=room, at=at)
        noted = await self._connection.execute(
            statement.on_conflict_do_nothing().returning(leaks.c.event_id)
        )
        return noted.first() is not None

    async def left(self) -> list[tuple[str, str]]:
        """(room, event id) of everything that is still to be taken away, oldest first."""
        columns = (leaks.c.room, leaks.c.event_id)
        query = sa.select(*columns).where(~leaks.c.removed).order_by(leaks.c.at)
        return [(row.room, row.event_id) for row in await self._connection.execute(query)]

    async def removed(self, event_id: str) -> None:
        """It is gone, or cannot be made to go."""
        await self._connection.execute(
            sa.update(leaks).where(leaks.c.event_id == event_id).values(removed=True)
        )

    async def drop_before(self, moment: datetime) -> None:
        """Forget what was taken away so long ago: no sync brings it again."""
        old = (leaks.c.at < moment, leaks.c.removed)
        await self._connection.execute(sa.delete(leaks).where(*old))
