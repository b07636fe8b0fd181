"""Opens the state, brings its tables up to date, and hands out transactions."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from domain.errors import Busy, ConfigError
from fleet.store.at_once import connect
from fleet.store.audit import Audit, Mirror
from fleet.store.batches import BatchEntries
from fleet.store.decisions import DecisionRecords
from fleet.store.expiries import Expiries
from fleet.store.files import Files
from fleet.store.identities import Identities
from fleet.store.impatience import begun, impatient, state_errors
from fleet.store.incidents import Incidents
from fleet.store.keys import Keys
from fleet.store.leaks import Leaks
from fleet.store.locks import Locks
from fleet.store.messages import Messages
from fleet.store.operations import Operations
from fleet.store.positions import Positions
from fleet.store.rooms import Rooms
from fleet.store.sealed import Sealed
from fleet.store.services import Services
from fleet.store.starts import Starts
from fleet.store.steady import finished
from fleet.store.tenure import Tenure
from fleet.store.turns import Turns
from fleet.store.usage import Usage

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection

T = TypeVar("T")

HEAD = "0014"
"""The newest migration. A test holds it against `migrations/versions`."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """One all-or-nothing change, with a repository per noun."""

    operations: Operations
    services: Services
    messages: Messages
    files: Files
    turns: Turns
    positions: Positions
    sealed: Sealed
    rooms: Rooms
    locks: Locks
    decisions: DecisionRecords
    audit: Audit
    expiries: Expiries
    identities: Identities
    leaks: Leaks
    starts: Starts
    incidents: Incidents
    keys: Keys
    usage: Usage
    batches: BatchEntries

    @classmethod
    def over(
        cls, connection: AsyncConnection, instance: str = "", mirror: Mirror | None = None
    ) -> Transaction:
        """The repositories, all on one connection."""
        return cls(
            Operations(connection),
            Services(connection),
            Messages(connection),
            Files(connection),
            Turns(connection),
            Positions(connection, instance),
            Sealed(connection),
            Rooms(connection),
            Locks(connection),
            DecisionRecords(connection),
            Audit(connection, mirror),
            Expiries(connection),
            Identities(connection),
            Leaks(connection),
            Starts(connection),
            Incidents(connection),
            Keys(connection),
            Usage(connection),
            BatchEntries(connection),
        )


class Store:
    """The bot's durable state. One process at a time writes it."""

    def __init__(
        self,
        connection: AsyncConnection,
        close: Callable[[], Awaitable[None]],
        instance: str = "",
        tenure: Tenure | None = None,
    ) -> None:
        self._connection = connection
        self._close = close
        self._instance = instance
        self._tenure = tenure
        self._turn = asyncio.Lock()
        self.mirror: Mirror | None = None
        """Where records of the audit are repeated, if anywhere."""

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open (or make) the state at `path` and migrate it.

        Raises Busy when another process holds it, ConfigError when it cannot be used.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = _only_one(path)
        except OSError as error:
            raise ConfigError(
                f"the state at {path} cannot be used: {error.strerror}",
                hint="set state.url to a place the bot may write to",
            ) from error
        url = sa.URL.create("sqlite+aiosqlite", database=str(path))
        engine = create_async_engine(
            url, pool_size=1, max_overflow=0, async_creator=partial(connect, path)
        )
        sa.event.listen(engine.sync_engine, "connect", _tune)
        sa.event.listen(engine.sync_engine, "begin", _begin)
        connection = engine.connect()

        async def close() -> None:
            if connection.sync_connection is not None:
                await connection.close()
            await engine.dispose()
            lock.close()

        store = cls(connection, close)
        try:
            await connection.start()
            await begun(connection)
            await connection.run_sync(migrate)
            await connection.commit()
        except ConfigError:
            await store.aclose()
            raise
        except sa.exc.DatabaseError as error:
            await store.aclose()
            raise ConfigError(
                f"the state at {path} is not a Gantry database: {error.orig}",
                hint="move the file away to start afresh, or point state.url elsewhere",
            ) from error
        return store

    @asynccontextmanager
    async def transaction(self, *, patient: bool = True) -> AsyncIterator[Transaction]:
        """All of it is kept, or, if the block raises or is cancelled, none of it.

        One at a time, on the one connection there is: SQLite has one writer, and going through
        a pool costs more than a statement does. On a shared database, a bot that may not write
        any more waits here for its end (see `guarding`). While another program has locked the
        file, whoever is `patient` waits, and nobody else with it.
        """
        async with self._whole(patient=patient):
            if self._tenure is not None:
                await self._tenure.admit(self._connection)
            tx = Transaction.over(self._connection, self._instance, self.mirror)
            yield tx
        if self.mirror is not None:
            for message in tx.audit.mirrored:
                self.mirror.deliver(message)

    @asynccontextmanager
    async def attempt(self) -> AsyncIterator[Transaction]:
        """A transaction for who can try again: it waits for no lock of another program's, and
        raises NotKept for whatever a database may raise."""
        with state_errors():
            async with self.transaction(patient=False) as tx, impatient(self._connection):
                yield tx

    async def guarding(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work for as long as this bot may write; a SQLite file is its own to the end.

        Raises StateLost when the database went away, once the work has ended, and LostLease when
        another bot has taken over: then the process must end before it does anything else.
        """
        return await (self._tenure.guarding(work, self._renew) if self._tenure else work)

    async def flaw(self) -> str:
        """What is wrong with the state; "" while it can be used."""
        try:
            async with self.transaction() as tx:
                await tx.rooms.successors()
        except sa.exc.SQLAlchemyError as error:
            return str(getattr(error, "orig", None) or error)
        return ""

    async def aclose(self) -> None:
        """Let go of it; on a shared database, of the lease too."""
        if self._tenure is not None and not self._tenure.is_over:
            async with self._turn:
                await self._tenure.release(self._connection)
        await self._close()

    async def _renew(self) -> None:
        assert self._tenure is not None, "only a lease is renewed"
        async with self._whole():
            lease = await self._tenure.renew(self._connection)
        self._tenure.renewed(lease)

    @asynccontextmanager
    async def _whole(self, *, patient: bool = True) -> AsyncIterator[None]:
        async with self._turn:
            try:
                if self._tenure is None:
                    await begun(self._connection, patient=patient)
                yield
                await finished(self._connection.commit())
            except BaseException as error:
                if self._tenure is not None:
                    await self._tenure.undo(self._connection, error)
                else:
                    await finished(self._connection.rollback())
                raise


def sqlite_path(url: str) -> Path:
    """The file behind `sqlite:///...`. Raises ConfigError for anything else."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ConfigError(f"state.url `{url}` is not a database URL", hint=_EXAMPLE) from error
    if parsed.drivername != "sqlite" or not parsed.database:
        raise ConfigError(f"state.url `{parsed}` is not a SQLite file", hint=_EXAMPLE)
    return Path(parsed.database).absolute()


_EXAMPLE = "write for example sqlite:////var/lib/gantry/gantry.db (four slashes: absolute)"


def _only_one(path: Path) -> TextIO:
    lock = path.with_name(path.name + ".lock").open("a+")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        holder = lock.read(20).strip()
        lock.close()
        who = f" (process {holder})" if holder.isdecimal() else ""
        raise Busy(
            f"another bot holds the state at {path}{who}",
            hint="stop it first, or give this one a state.url of its own",
        ) from error
    path.touch(mode=0o600)
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _tune(connection: DBAPIConnection, _: Any) -> None:
    """WAL, and no fsync at each commit: a kill loses nothing. A power cut may lose the last
    moments, sync position included, and the homeserver then delivers them again."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    """Python's driver would begin none of its own before a CREATE TABLE: a bot killed during its
    first migration would leave half the tables. With the lock taken here, no later statement can
    meet one of another program's."""
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def migrate(connection: sa.Connection) -> None:
    """Bring the tables to HEAD. Alembic is only loaded when there is something to do."""
    if sa.inspect(connection).has_table("alembic_version"):
        current = connection.scalar(sa.text("SELECT version_num FROM alembic_version"))
        if current == HEAD:
            return
    from fleet.store.migrations.runner import upgrade

    upgrade(connection)
