"""How far the room has been read, and as which device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fleet.store.insert import insert
from fleet.store.tables import sync_position

_REACHED = sa.update(sync_position).where(sync_position.c.user_id == sa.bindparam("of"))


@dataclass(frozen=True, slots=True)
class Position:
    """One account's device and how far it has read."""

    user_id: str
    device_id: str | None = None
    access_token: str | None = None
    """Kept so that a restart is not a new login (logins are rate limited and make devices)."""
    token: str | None = None
    """The `next_batch` whose commands are all filed; None before the first sync."""

    refresh_token: str | None = None
    """The latest one: a homeserver gives another each time."""
    access_until: datetime | None = None
    """When the access token is to be renewed; None when it does not run out."""

    def __repr__(self) -> str:
        return f"Position({self.user_id!r}, {self.device_id!r}, token={self.token!r})"


class Positions:
    """The sync_position table, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def get(self, user_id: str) -> Position:
        """Where this account was left; a fresh position if it never read anything."""
        query = sa.select(sync_position).where(sync_position.c.user_id == user_id)
        row = (await self._connection.execute(query)).one_or_none()
        return Position(user_id) if row is None else Position(*row)

    async def put(self, position: Position) -> None:
        """Remember it."""
        values = {
            "device_id": position.device_id,
            "access_token": position.access_token,
            "token": position.token,
            "refresh_token": position.refresh_token,
            "access_until": position.access_until,
        }
        statement = insert(sync_position).values(user_id=position.user_id, **values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["user_id"], set_=values)
        )

    async def renewed(
        self, user_id: str, access_token: str, refresh_token: str, until: datetime | None
    ) -> None:
        """There are new tokens for the same device."""
        values = {"access_token": access_token, "refresh_token": refresh_token}
        await self._connection.execute(
            sa.update(sync_position)
            .where(sync_position.c.user_id == user_id)
            .values(**values, access_until=until)
        )

    async def reached(self, user_id: str, token: str) -> None:
        """Everything before this token is filed."""
        await self._connection.execute(_REACHED, {"of": user_id, "token": token})
