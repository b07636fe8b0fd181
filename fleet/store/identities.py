"""Identities: the master key under which somebody was first met."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fleet.store.insert import insert
from fleet.store.tables import identities

_PINNED = sa.select(identities.c.master).where(identities.c.user_id == sa.bindparam("of"))


class Identities:
    """The identities table, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def pin(self, user_id: str, master: str, at: datetime) -> str:
        """The master key that somebody was met under: this one, if they were not met before.

        Nothing here ever replaces one. Whoever accepts that an identity is another one now
        deletes the row.
        """
        pinned = await self._connection.scalar(_PINNED, {"of": user_id})
        if pinned is not None:
            return str(pinned)
        await self._connection.execute(
            insert(identities).values(user_id=user_id, master=master, since=at)
        )
        return master
