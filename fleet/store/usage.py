"""What was used: a row for each hour, key, model and backend."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.accounts import Account, Sums
from fleet.store.insert import insert
from fleet.store.tables import Moment, usage, usage_batches

_SUMS = tuple(Sums.__dataclass_fields__)
_WHICH = Account._fields
_NEW = insert(usage)
_ADD = _NEW.on_conflict_do_update(
    index_elements=list(_WHICH),
    set_={name: usage.c[name] + _NEW.excluded[name] for name in _SUMS},
)
_MARK = insert(usage_batches)
_BATCH = sa.select(usage_batches.c.batch).where(usage_batches.c.writer == sa.bindparam("of"))
_OLD = sa.delete(usage_batches).where(usage_batches.c.at < sa.bindparam("before", type_=Moment))

REMEMBERED = timedelta(days=7)
"""For how long it is known which batch of a writer's was counted last."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What is counted all together or not at all."""

    writer: str
    """Who writes one after the other, and this one again until it is known to be counted."""
    name: str
    sums: Mapping[Account, Sums]


class Usage:
    """The usage table, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def add(self, batch: Batch, now: datetime) -> bool:
        """Count a batch, unless it is the one of its writer's that was counted last.

        So one may try again where it is unknown whether a commit went through. False when it had.
        """
        last = await self._connection.execute(_BATCH, {"of": batch.writer})
        if last.scalar_one_or_none() == batch.name:
            return False
        rows = [{**account._asdict(), **_values(each)} for account, each in batch.sums.items()]
        if rows:
            await self._connection.execute(_ADD, rows)
        await self._connection.execute(_OLD, {"before": now - REMEMBERED})
        mark = {"batch": batch.name, "at": now}
        statement = _MARK.values(writer=batch.writer, **mark)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["writer"], set_=mark)
        )
        return True

    async def since(self, moment: datetime) -> dict[Account, Sums]:
        """What was used in the hours that began then or later."""
        query = sa.select(usage).where(usage.c.hour >= moment).order_by(usage.c.hour)
        rows = (await self._connection.execute(query)).mappings()
        return {
            Account(*(row[name] for name in _WHICH)): Sums(*(row[name] for name in _SUMS))
            for row in rows
        }


def _values(sums: Sums) -> dict[str, int]:
    return {name: getattr(sums, name) for name in _SUMS}
