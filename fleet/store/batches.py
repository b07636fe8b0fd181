"""What was answered of batches that have not ended, so that nothing is asked and paid for twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from fleet.store.insert import insert
from fleet.store.tables import batch_entries

_KEEP = insert(batch_entries).on_conflict_do_nothing()
_OF = sa.bindparam("of", type_=sa.String)
_WHOSE = batch_entries.c.operation == _OF
_KNOWN = (
    sa.select(
        batch_entries.c.line,
        batch_entries.c.fingerprint,
        batch_entries.c.failure,
        sa.func.length(batch_entries.c.text).label("size"),
    )
    .where(_WHOSE)
    .order_by(batch_entries.c.line)
)
_TEXTS = (
    sa.select(batch_entries.c.line, batch_entries.c.text)
    .where(_WHOSE, batch_entries.c.line.between(sa.bindparam("first"), sa.bindparam("last")))
    .order_by(batch_entries.c.line)
)


@dataclass(frozen=True, slots=True)
class KeptEntry:
    """How one request of a batch came out, as it is written into the result."""

    operation: str
    line: int
    """Its number in the file."""
    fingerprint: str
    """Of the request: an entry for another one at that line counts for nothing."""
    text: str
    failure: str | None
    """What went wrong; None for an answer."""


@dataclass(frozen=True, slots=True)
class Known:
    """The same without the text of it."""

    line: int
    fingerprint: str
    failure: str | None
    size: int
    """Characters of the text."""


class BatchEntries:
    """The batch_entries table, within one transaction."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    async def keep(self, entries: Iterable[KeptEntry]) -> None:
        """Keep these; the first that was kept of a line stays."""
        rows = [
            {name: getattr(each, name) for name in KeptEntry.__dataclass_fields__}
            for each in entries
        ]
        if rows:
            await self._connection.execute(_KEEP, rows)

    async def known(self, operation: str) -> list[Known]:
        """What is kept of an operation, in the order of the lines."""
        rows = await self._connection.execute(_KNOWN, {"of": operation})
        return [Known(*row) for row in rows]

    async def texts(self, operation: str, first: int, last: int) -> dict[int, str]:
        """Line -> the text kept of it, for the lines from `first` to `last`."""
        span = {"of": operation, "first": first, "last": last}
        rows = await self._connection.execute(_TEXTS, span)
        return {row.line: row.text for row in rows}

    async def forget(self, operation: str, lines: Sequence[int]) -> None:
        """Drop what is kept of some lines."""
        which = batch_entries.c.operation == operation, batch_entries.c.line.in_(lines)
        if lines:
            await self._connection.execute(sa.delete(batch_entries).where(*which))

    async def drop_of(self, names: Iterable[str]) -> None:
        """Forget everything of these operations."""
        which = batch_entries.c.operation.in_(list(names))
        await self._connection.execute(sa.delete(batch_entries).where(which))
