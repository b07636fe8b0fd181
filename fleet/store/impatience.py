"""Writing that does not wait for a lock of somebody else's.

On SQLite a statement that waits for another program's lock waits where it is made, in the event
loop (docs/decisions/0004-statements-at-once.md): for five seconds nothing else would go on. Who can
try again later does not wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from domain.errors import OpsError

PATIENCE = 100
"""Milliseconds for a lock on PostgreSQL, where waiting holds up nobody but who writes."""

_USUAL = 5000
"""Milliseconds: what Python's sqlite3 waits if nothing is said."""


class NotKept(OpsError):
    """The state did not take what was to be written, or it is unknown whether it did."""


@asynccontextmanager
async def impatient(connection: AsyncConnection) -> AsyncIterator[None]:
    """For the rest of this transaction, be refused rather than wait."""
    if connection.dialect.name != "sqlite":
        await connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{PATIENCE}ms'")
        yield
        return
    await connection.exec_driver_sql("PRAGMA busy_timeout = 0")
    try:
        yield
    finally:
        await connection.exec_driver_sql(f"PRAGMA busy_timeout = {_USUAL}")


@contextmanager
def state_errors() -> Iterator[None]:
    """Say what a database raises as NotKept."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, OSError, TimeoutError) as error:
        lines = str(getattr(error, "orig", None) or error).splitlines()
        raise NotKept(lines[0] if lines else type(error).__name__) from error
