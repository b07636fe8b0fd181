"""Files: texts too long for a message, until they have been uploaded and said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fleet.store.insert import insert
from fleet.store.messages import about
from fleet.store.tables import files

_DROP = sa.delete(files).where(about(files.c.key, sa.bindparam("of", type_=sa.String)))


@dataclass(frozen=True, slots=True)
class File:
    """A text with the name a person saves it under."""

    name: str
    text: str


class Files:
    """The files table, within one transaction. Each belongs to the message of the same key."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def keep(self, key: str, file: File) -> None:
        """Keep it for the message that will offer it."""
        statement = insert(files).values(key=key, name=file.name, text=file.text)
        await self._connection.execute(statement.on_conflict_do_nothing())

    async def get(self, key: str) -> File | None:
        """The file of a message that was not said yet."""
        query = sa.select(files).where(files.c.key == key)
        row = (await self._connection.execute(query)).one_or_none()
        return None if row is None else File(row.name, row.text)

    async def drop(self, key: str) -> None:
        """The homeserver has it now, or will not have it."""
        await self._connection.execute(sa.delete(files).where(files.c.key == key))

    async def drop_about(self, names: Iterable[str]) -> None:
        """Forget what belongs to messages about these operations."""
        about_them = [{"of": name} for name in names]
        if about_them:
            await self._connection.execute(_DROP, about_them)
