"""Looks at a state that a bot may be using at the same time, and changes nothing in it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from domain.chain import Entry
from domain.errors import ConfigError
from fleet.store.at_once import connect_to_read
from fleet.store.audit import Audit
from fleet.store.database import Store

PAGE = 1000


async def records_in(path: Path) -> AsyncIterator[Entry]:
    """Every record of the audit, oldest first, those that are added meanwhile included. Raises
    ConfigError when they cannot be read."""
    creator = partial(connect_to_read, path)
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=NullPool, async_creator=creator)
    try:
        async with engine.connect() as connection:
            audit, last = Audit(connection), 0
            while page := await audit.after(last, PAGE):
                for entry in page:
                    yield entry
                last = page[-1].sequence
    except sa.exc.DatabaseError as error:
        raise _unreadable(path, error) from error
    finally:
        await engine.dispose()


async def records_of(store: Store) -> AsyncIterator[Entry]:
    """The same of a state that is open, a page a transaction."""
    last = 0
    while True:
        async with store.transaction() as tx:
            page = await tx.audit.after(last, PAGE)
        if not page:
            return
        for entry in page:
            yield entry
        last = page[-1].sequence


def _unreadable(path: Path, error: sa.exc.DatabaseError) -> ConfigError:
    if "no such table" in str(error.orig):
        return ConfigError(
            f"the state at {path} has no audit yet",
            hint="start this release of the bot on it once: it adds what is missing",
        )
    return ConfigError(
        f"the audit in {path} cannot be read: {error.orig}",
        hint="see that state.url is right, and that you may read that file and write to its folder",
    )
