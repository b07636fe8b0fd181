"""How far the room has been read, and as which device."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fleet.store.insert import insert
from fleet.store.tables import devices, sync_position

_REACHED = sa.update(sync_position).where(sync_position.c.user_id == sa.bindparam("of"))
_OURS = (devices.c.user_id == sa.bindparam("of")) & (devices.c.instance == sa.bindparam("by"))
_DEVICE = sa.update(devices).where(_OURS)
_POSITION = (
    sa.select(
        sync_position.c.user_id,
        devices.c.device_id,
        devices.c.access_token,
        sync_position.c.token,
        devices.c.refresh_token,
        devices.c.access_until,
        devices.c.fetched,
    )
    .select_from(sync_position.outerjoin(devices, _OURS))
    .where(sync_position.c.user_id == sa.bindparam("of"))
)


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
    fetched: str | None = None
    """The `next_batch` up to which this device has been handed what is sent to devices (keys).
    None for the only bot on an account: its device has read as far as the account."""

    def __repr__(self) -> str:
        return f"Position({self.user_id!r}, {self.device_id!r}, token={self.token!r})"


class Positions:
    """How far accounts have read, which all bots on them share, and the device of one bot.

    `instance` is that bot's name among those that share the database; "" for the only one.
    """

    def __init__(self, connection: AsyncConnection, instance: str = "") -> None:
        self._connection = connection
        self._instance = instance

    async def get(self, user_id: str) -> Position:
        """Where this account was left; a fresh position if it never read anything."""
        found = await self._connection.execute(_POSITION, {"of": user_id, "by": self._instance})
        row = found.one_or_none()
        return Position(user_id) if row is None else Position(*row)

    async def put(self, position: Position) -> None:
        """Remember the device. How far the account has read is begun here and moved on by
        `reached` alone: another bot may have read on meanwhile."""
        begun = insert(sync_position).values(user_id=position.user_id, token=position.token)
        await self._connection.execute(begun.on_conflict_do_nothing())
        values = {
            "user_id": position.user_id,
            "instance": self._instance,
            "device_id": position.device_id,
            "access_token": position.access_token,
            "refresh_token": position.refresh_token,
            "access_until": position.access_until,
            "fetched": position.fetched,
        }
        statement = insert(devices).values(values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["user_id", "instance"], set_=values)
        )

    async def renewed(
        self, user_id: str, access_token: str, refresh_token: str, until: datetime | None
    ) -> None:
        """There are new tokens for the same device."""
        values = {"access_token": access_token, "refresh_token": refresh_token}
        ours = {"of": user_id, "by": self._instance}
        await self._connection.execute(_DEVICE, {**ours, **values, "access_until": until})

    async def reached(self, user_id: str, token: str) -> None:
        """Everything before this token is filed."""
        await self._connection.execute(_REACHED, {"of": user_id, "token": token})
        if self._instance:
            ours = {"of": user_id, "by": self._instance}
            await self._connection.execute(_DEVICE, {**ours, "fetched": token})
