"""The lease: which of several bots on one database may act. The row is the truth, and the
database's clock is the only one that counts for taking it.

    who     what                                when
    holder  renews                              every 2 s
    holder  stops acting, whatever it does      9 s after it last asked for a renewal that came
    another takes it, under the next epoch      10 s after the last renewal, looking every second

The nine seconds begin before the request, the ten when the database had it: a holder that is cut
off or frozen has stopped, or is stopped before it does anything more, when another begins. See
docs/decisions/0012-a-lease-by-row.md.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

LENGTH = 10.0
"""Seconds that a lease holds."""

MARGIN = 1.0
"""Seconds by which its holder stops before it ends: clocks run at different speeds, and what was
sent last has to arrive."""

RENEW_EVERY = 2.0
PATIENCE = 6.0
"""Seconds without a renewal after which the database is given up, so that there is time left to
stop in order."""

LOOK_EVERY = 1.0
"""Seconds between two looks of who stands by."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the row says."""

    holder: str
    epoch: int
    left: float
    """Seconds it still holds, by the database's clock; 0 or less when anybody may take it."""

    @property
    def free(self) -> bool:
        """Whether it may be taken."""
        return self.left <= 0


@dataclass(frozen=True, slots=True)
class Lease:
    """One holder's turn, as the holder sees it."""

    holder: str
    epoch: int
    """Counts the turns: what was written under an earlier one is not taken any more."""
    asked_at: float
    """Monotonic seconds, from before the database was last asked for it."""

    def renewed(self, asked_at: float) -> Lease:
        """The same turn, longer."""
        return replace(self, asked_at=asked_at)

    def sure_for(self, now: float) -> float:
        """Seconds for which nobody else can have it; 0 or less when that is over."""
        return self.asked_at + LENGTH - MARGIN - now


_DDL = """
CREATE TABLE IF NOT EXISTS lease (
    name text PRIMARY KEY,
    holder text NOT NULL,
    epoch bigint NOT NULL,
    until timestamptz NOT NULL,
    session integer,
    began timestamptz
)"""
_LOCK = "SELECT pg_advisory_xact_lock(7163385)"
_FIRST = (
    "INSERT INTO lease (name, holder, epoch, until) VALUES ('bot', '', 0, '-infinity')"
    " ON CONFLICT DO NOTHING"
)
_CLAIM = sa.text(
    "SELECT holder, epoch, CASE WHEN until = '-infinity' THEN 0"
    " ELSE extract(epoch FROM until - clock_timestamp())::float8 END AS left_for"
    " FROM lease WHERE name = 'bot'"
)
_UNTIL = "clock_timestamp() + make_interval(secs => :length)"
_TAKE = sa.text(
    f"UPDATE lease SET holder = :holder, epoch = epoch + 1, until = {_UNTIL},"  # noqa: S608
    " session = pg_backend_pid(), began = (SELECT backend_start FROM pg_stat_activity"
    " WHERE pid = pg_backend_pid())"
    " WHERE name IN (SELECT name FROM lease WHERE name = 'bot'"
    " AND (until <= clock_timestamp() OR epoch = :mine) FOR UPDATE SKIP LOCKED)"
    " RETURNING epoch"
)
_RENEW = sa.text(
    f"UPDATE lease SET until = {_UNTIL}"  # noqa: S608
    " WHERE name = 'bot' AND epoch = :epoch RETURNING epoch"
)
_HELD = sa.text("SELECT 1 FROM lease WHERE name = 'bot' AND epoch = :epoch FOR SHARE")
_CUT_OFF = sa.text(
    "SELECT pg_terminate_backend(pid) FROM lease JOIN pg_stat_activity"
    " ON pid = session AND backend_start = began"
    " WHERE name = 'bot' AND until <= clock_timestamp()"
)
_RELEASE = sa.text("UPDATE lease SET until = '-infinity' WHERE name = 'bot' AND epoch = :epoch")


async def prepare(connection: AsyncConnection) -> None:
    """Make the row if it is not there. Not a migration: only its holder may migrate."""
    if await connection.scalar(sa.text("SELECT to_regclass('lease')")) is not None:
        return
    for statement in (_LOCK, _DDL, _FIRST):  # two at once may both find that there is none
        await connection.exec_driver_sql(statement)


async def look(connection: AsyncConnection) -> Claim:
    """What the row says."""
    row: Any = (await connection.execute(_CLAIM)).one()
    return Claim(row.holder, row.epoch, row.left_for)


async def take(
    connection: AsyncConnection, holder: str, now: float, previous: Lease | None
) -> Lease | None:
    """Take the lease if it is free, or if it was ours under `previous`; None when it is not.

    Never waits for whoever is writing under it. One that still does when the lease has run out is
    frozen or gone, and perhaps for ever in the middle of a transaction, which keeps the row: its
    session is ended, and the next look finds the lease free.
    """
    mine = previous.epoch if previous else -1
    values = {"holder": holder, "length": LENGTH, "mine": mine}
    epoch = await connection.scalar(_TAKE, values)
    if epoch is None:
        await connection.execute(_CUT_OFF)
    return None if epoch is None else Lease(holder, epoch, now)


async def renew(connection: AsyncConnection, lease: Lease, now: float) -> Lease | None:
    """Hold it for longer; None when another has it."""
    values = {"length": LENGTH, "epoch": lease.epoch}
    kept = await connection.scalar(_RENEW, values)
    return None if kept is None else lease.renewed(now)


async def is_held(connection: AsyncConnection, lease: Lease) -> bool:
    """Whether it is still this turn. Until the transaction ends nobody can take the lease: what
    is written in it was written by its holder."""
    return await connection.scalar(_HELD, {"epoch": lease.epoch}) is not None


async def release(connection: AsyncConnection, lease: Lease) -> None:
    """Let the next one have it at once."""
    await connection.execute(_RELEASE, {"epoch": lease.epoch})
