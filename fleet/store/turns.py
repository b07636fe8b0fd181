"""Turns: what was said in conversations with models, so that a restart does not forget them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fleet.store.insert import insert
from fleet.store.tables import turns


@dataclass(frozen=True, slots=True)
class KeptTurn:
    """One thing said in a conversation: a prompt, an answer, or what the model is told to be."""

    operation: str
    """The `!infer` it belongs to; a prompt and its answer have the same."""
    root: str
    """The event the conversation hangs on: the thread's root, or the command that began it."""
    service: str
    """Who was asked, as it was typed: `a,b` for two at once."""
    role: str
    """`system`, `user` or `assistant`; `assistant:a` where several answered."""
    text: str
    at: datetime


class Turns:
    """The turns table, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def keep(self, said: Iterable[KeptTurn]) -> None:
        """Keep turns in order. Those of an operation that ran again replace its earlier ones."""
        for each in said:
            fields = {name: getattr(each, name) for name in KeptTurn.__dataclass_fields__}
            latest = {"text": each.text, "at": each.at}
            await self._connection.execute(
                insert(turns)
                .values(**fields)
                .on_conflict_do_update(index_elements=["operation", "role"], set_=latest)
            )

    async def drop_before(self, moment: datetime) -> None:
        """Forget what was said so long ago."""
        await self._connection.execute(sa.delete(turns).where(turns.c.at < moment))

    async def drop_of(self, names: Iterable[str]) -> None:
        """Forget what was said in these operations."""
        await self._connection.execute(sa.delete(turns).where(turns.c.operation.in_(list(names))))

    async def of(self, root: str, opening: str) -> list[KeptTurn]:
        """A thread's turns, oldest first, those of the operation that opened it included."""
        columns = [turns.c[name] for name in KeptTurn.__dataclass_fields__]
        where = (turns.c.root == root) | (turns.c.operation == opening)
        query = sa.select(*columns).where(where).order_by(turns.c.id)
        rows = await self._connection.execute(query)
        return [KeptTurn(**row._mapping) for row in rows]
