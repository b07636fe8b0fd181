"""Expiries: when services end that were only meant for a while."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.expiries import Expiry
from fleet.store.insert import insert
from fleet.store.tables import expiries

_FIELDS = [expiries.c[name] for name in Expiry.__dataclass_fields__]
_ALL = sa.select(*_FIELDS).order_by(expiries.c.service)
_ONE = _ALL.where(expiries.c.service == sa.bindparam("of"))
_ASKED = _ALL.where(expiries.c.question == sa.bindparam("of"))


class Expiries:
    """The expiries table, within one transaction. A service that is removed has none."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def all(self) -> list[Expiry]:
        """Every expiry, by service."""
        return [Expiry(*row) for row in await self._connection.execute(_ALL)]

    async def get(self, service: str) -> Expiry | None:
        """When a service ends; None if it was never given an end."""
        row = (await self._connection.execute(_ONE, {"of": service})).one_or_none()
        return None if row is None else Expiry(*row)

    async def asked_by(self, question: str) -> Expiry | None:
        """What a message asks about, by its key; None if nothing is asked by it any more."""
        row = (await self._connection.execute(_ASKED, {"of": question})).one_or_none()
        return None if row is None else Expiry(*row)

    async def put(self, expiry: Expiry) -> None:
        """Keep it, in place of an earlier one of that service. One that has no end, and no question
        that was still to say so, is forgotten."""
        if expiry.at is None and expiry.question is None:
            await self.drop(expiry.service)
            return
        values = {name: getattr(expiry, name) for name in Expiry.__dataclass_fields__}
        statement = insert(expiries).values(values)
        await self._connection.execute(
            statement.on_conflict_do_update(index_elements=["service"], set_=values)
        )

    async def drop(self, service: str) -> None:
        """It stays for good, or is gone."""
        await self._connection.execute(sa.delete(expiries).where(expiries.c.service == service))
