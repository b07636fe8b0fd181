"""Locks, kept over restarts."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.locks import Lock
from fleet.store.insert import insert
from fleet.store.tables import Moment, locks

_NOW = sa.bindparam("now", type_=Moment)
_ACTIVE = (
    sa.select(locks)
    .where(locks.c.until.is_(None) | (locks.c.until > _NOW))
    .order_by(locks.c.since, locks.c.scope)
)


class Locks:
    """The locks table, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def active(self, now: datetime) -> list[Lock]:
        """Those that hold at this moment, oldest first."""
        rows = await self._connection.execute(_ACTIVE, {"now": now})
        return [
            Lock(
                row.scope,
                row.service,
                tuple(row.targets),
                row.holder,
                row.reason,
                row.since,
                row.until,
                row.room,
            )
            for row in rows
        ]

    async def put(self, lock: Lock) -> None:
        """Lock, in place of an older lock of that scope."""
        values = {name: getattr(lock, name) for name in Lock.__dataclass_fields__}
        values["targets"] = list(lock.targets)
        statement = insert(locks).values(values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["scope"], set_=values)
        )

    async def drop(self, scope: str) -> None:
        """Unlock."""
        await self._connection.execute(sa.delete(locks).where(locks.c.scope == scope))
