"""SQLite statements that run where they are made.

With the pages in memory a statement takes some 20 microseconds; handing each to a thread and back,
as aiosqlite does, took ten times that, and ten of them stand between a command and its answer.
Only the commit, which may have to wait for the disk, goes to the thread. See
docs/decisions/0004-statements-at-once.md.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiosqlite


class AtOnce(aiosqlite.Connection):
    """A connection that uses its thread for commits alone."""

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        if fn in (self._conn.commit, self._conn.close):  # a cursor's close is not meant
            return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]
        return fn(*args, **kwargs)


async def connect(path: Path) -> aiosqlite.Connection:
    """Open the file, for one user at a time: statements and commits never overlap.

    No statement waits for a lock of another program's, for the event loop would wait with it.
    """
    connector = partial(sqlite3.connect, path, timeout=0, check_same_thread=False)
    return await AtOnce(connector, iter_chunk_size=64)


async def connect_to_read(path: Path) -> aiosqlite.Connection:
    """Open a file that is there, for reading only. Raises sqlite3.OperationalError.

    It is opened here and handed over: where opening fails in its thread, aiosqlite lets that thread
    run on and fail once more when the loop is closed.
    """
    where = f"file:{quote(str(path))}?mode=ro"
    opened = sqlite3.connect(where, uri=True, check_same_thread=False)
    return await AtOnce(lambda: opened, iter_chunk_size=64)
