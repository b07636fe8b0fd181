"""Sealed events: encrypted ones whose key has not come yet. They may hold commands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fleet.store.insert import insert
from fleet.store.tables import sealed


@dataclass(frozen=True, slots=True)
class SealedEvent:
    """An event nobody here can read yet."""

    event_id: str
    room: str
    event: dict[str, Any]
    """As the homeserver delivered it."""
    at: datetime
    """When it was said."""


class Sealed:
    """The sealed table, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def keep(self, events: Iterable[SealedEvent]) -> None:
        """Keep events for when their keys come; those that are kept already stay as they are."""
        for each in events:
            values = {"event_id": each.event_id, "room": each.room, "event": each.event}
            statement = insert(sealed).values(**values, at=each.at)
            await self._connection.execute(statement.on_conflict_do_nothing())

    async def all(self) -> list[SealedEvent]:
        """Everything that is still sealed, oldest first."""
        rows = await self._connection.execute(sa.select(sealed).order_by(sealed.c.at))
        return [SealedEvent(row.event_id, row.room, row.event, row.at) for row in rows]

    async def drop(self, event_ids: Iterable[str]) -> None:
        """These were opened."""
        names = list(event_ids)
        if names:
            await self._connection.execute(sa.delete(sealed).where(sealed.c.event_id.in_(names)))

    async def drop_before(self, moment: datetime) -> None:
        """What was said so long ago would not be run any more."""
        await self._connection.execute(sa.delete(sealed).where(sealed.c.at < moment))
