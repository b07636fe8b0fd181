"""The audit: records in a chain, of which none is ever changed or forgotten."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.audit import Record
from domain.chain import START, Entry, Head
from fleet.store.messages import Content, Message, Messages, key_of
from fleet.store.tables import audit

_FIELDS = [audit.c[name] for name in Entry.__dataclass_fields__]

# Made once: putting a statement together takes SQLAlchemy longer than SQLite takes to run it.
_HEAD = (
    sa.select(audit.c.sequence, audit.c.hash).order_by(audit.c.sequence.desc()).limit(sa.literal(1))
)
_APPEND = sa.insert(audit).inline()
_LIMIT: sa.BindParameter[int] = sa.bindparam("limit")
_AFTER = (
    sa.select(*_FIELDS)
    .where(audit.c.sequence > sa.bindparam("after"))
    .order_by(audit.c.sequence)
    .limit(_LIMIT)
)
_BEFORE = (
    sa.select(*_FIELDS)
    .where(audit.c.sequence < sa.bindparam("before"))
    .order_by(audit.c.sequence.desc())
    .limit(_LIMIT)
)
_NOTABLE_BEFORE = _BEFORE.where(audit.c.notable)


@dataclass(frozen=True, slots=True)
class Mirror:
    """A room in which notable records are repeated."""

    room: Callable[[], str | None]
    """Its id; None while it is not known."""
    line: Callable[[Entry], Content]
    """What is said of a record there."""
    deliver: Callable[[Message], None]
    """Has a message said that was kept."""


class Audit:
    """The audit table, within one transaction."""

    def __init__(self, connection: AsyncConnection, mirror: Mirror | None = None) -> None:
        self._connection = connection
        self._mirror = mirror
        self.mirrored: list[Message] = []
        """What is to be said in the mirror's room once the transaction is kept."""

    async def append(self, record: Record) -> Entry:
        """Keep a record, as the newest one. What is told of it in the mirror's room is kept with
        it, so it is told if and only if the transaction is."""
        entry = Entry.after(await self.head(), record)
        values = {
            "sequence": entry.sequence,
            "notable": entry.notable,
            "previous": entry.previous,
            "hash": entry.hash,
            "text": entry.text,
        }
        await self._connection.execute(_APPEND, values)
        if self._mirror is not None and record.notable:
            await self._repeat(entry, record, self._mirror)
        return entry

    async def head(self) -> Head:
        """The newest record; `START` when there is none."""
        row = (await self._connection.execute(_HEAD)).first()
        return START if row is None else Head(row[0], row[1])

    async def after(self, sequence: int, limit: int) -> list[Entry]:
        """The next records behind that one, oldest first."""
        found = await self._connection.execute(_AFTER, {"after": sequence, "limit": limit})
        return [Entry(*row) for row in found]

    async def before(self, sequence: int, limit: int, *, everything: bool) -> list[Entry]:
        """The next records ahead of that one, newest first; only notable ones if not everything."""
        query = _BEFORE if everything else _NOTABLE_BEFORE
        found = await self._connection.execute(query, {"before": sequence, "limit": limit})
        return [Entry(*row) for row in found]

    async def _repeat(self, entry: Entry, record: Record, mirror: Mirror) -> None:
        """The message is forgotten with those about the operation; the record is not."""
        room = mirror.room()
        if room is None:
            return
        about = f"{key_of(record.operation)}:" if record.operation else ""
        key = f"{about}audit:{entry.sequence}"
        messages = Messages(self._connection)
        self.mirrored.append(await messages.want(key, room, mirror.line(entry)))
