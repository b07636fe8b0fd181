"""Waiting for a lock of somebody else's, and not waiting for it.

On SQLite a statement that waits for another program's lock waits where it is made, in the event
loop (docs/decisions/0004-statements-at-once.md). So none does: the lock is taken when a transaction
begins, and tried again now and then while it is another's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import sqlalchemy as sa
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import OpsError

PATIENCE = 100
"""Milliseconds for a lock on PostgreSQL, where waiting holds up nobody but who writes."""

AGAIN = 0.05
"""Seconds until a file that another program has locked is tried again."""

log = structlog.get_logger()


class NotKept(OpsError):
    """The state did not take what was to be written, or it is unknown whether it did."""


async def begun(connection: AsyncConnection, *, patient: bool = True) -> None:
    """Begin a transaction in a SQLite file. While another program has locked it, whoever is patient
    waits, for as long as it takes; the event loop goes on meanwhile.

    Raises sqlalchemy's OperationalError for whoever is not, and for anything else that is wrong.
    """
    told = False
    while True:
        try:
            await connection.begin()
            return
        except sa.exc.OperationalError as error:
            if not patient or "locked" not in str(error.orig):
                raise
        if not told:
            log.warning("another program has locked the state; waiting for it")
            told = True
        await asyncio.sleep(AGAIN)


@asynccontextmanager
async def impatient(connection: AsyncConnection) -> AsyncIterator[None]:
    """For the rest of this transaction, be refused rather than wait. On SQLite nothing waits once
    it has begun."""
    if connection.dialect.name != "sqlite":
        await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE}ms'")
    yield


@contextmanager
def state_errors() -> Iterator[None]:
    """Say what a database raises as NotKept."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, OSError, TimeoutError) as error:
        lines = str(getattr(error, "orig", None) or error).splitlines()
        raise NotKept(lines[0] if lines else type(error).__name__) from error
