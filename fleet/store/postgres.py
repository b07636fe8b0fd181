"""PostgreSQL as the state: one connection, as with SQLite, to a database that bots may share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self, cast

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from domain.clock import Clock
from domain.errors import ConfigError, OpsError, Unreachable
from fleet.store import lease as leases
from fleet.store.database import HEAD, Store, migrate
from fleet.store.lease import Claim, Lease
from fleet.store.steady import finished
from fleet.store.tenure import Tenure

CONNECT_WITHIN = 5.0
"""Seconds."""

_SESSION = {"application_name": "gantry"}
_LATER = ("57P", "53", "08", "40")
"""Beginnings of SQLSTATEs that pass: it starts or shuts down, it is full, the line broke."""


@dataclass(frozen=True, slots=True)
class Address:
    """A database, and who we are to it and to the other bots on it."""

    url: str
    """`postgresql://user@host/database`, without a password."""
    password: SecretStr | None
    instance: str


class Whole(AsyncConnection):
    """A connection whose statements run to their end, whoever is cancelled meanwhile: asyncpg
    would drop the connection, and live replies are cancelled all the time."""

    async def execute(self, *args: Any, **kwargs: Any) -> Any:
        """As AsyncConnection."""
        return await finished(super().execute(*args, **kwargs))

    async def exec_driver_sql(self, *args: Any, **kwargs: Any) -> Any:
        """As AsyncConnection."""
        return await finished(super().exec_driver_sql(*args, **kwargs))


class Shared:
    """A database that is connected to; whose turn it is is another question."""

    def __init__(self, engine: AsyncEngine, connection: AsyncConnection, instance: str) -> None:
        self._engine = engine
        self._connection = connection
        self._instance = instance

    @classmethod
    async def connect(cls, address: Address) -> Self:
        """Raises ConfigError for a clear no, Unreachable when trying again may help."""
        engine = _engine(address)
        connection = Whole(engine)
        shared = cls(engine, connection, address.instance)
        try:
            with _explained(engine.url):
                await connection.start()
                async with connection.begin():
                    await leases.prepare(connection)
        except BaseException:
            await shared.aclose()
            raise
        return shared

    async def claim(self) -> Claim:
        """Whose turn it is. Raises as `connect`."""
        with _explained(self._engine.url):
            async with self._connection.begin():
                return await leases.look(self._connection)

    async def take(self, clock: Clock, previous: Lease | None = None) -> Lease | None:
        """Have it be our turn; None while it is somebody else's. Raises as `connect`.

        `previous` is a turn this very process had, and in which nothing is done any more.
        """
        asked_at = clock.monotonic()
        with _explained(self._engine.url):
            async with self._connection.begin():
                return await leases.take(self._connection, self._instance, asked_at, previous)

    async def open(self, lease: Lease, clock: Clock, sure_for: Callable[[float], None]) -> Store:
        """The state, its tables brought up to date, for as long as it is our turn.

        `sure_for` is told at each renewal for how many seconds nobody else can act. Raises as
        `connect`.
        """
        with _explained(self._engine.url):
            async with self._connection.begin():
                if not await leases.is_held(self._connection, lease):
                    raise Unreachable("another bot was faster")
                await self._connection.run_sync(migrate)
            async with self._connection.begin():
                kept = await leases.renew(self._connection, lease, clock.monotonic())
        if kept is None:
            raise Unreachable("another bot was faster")
        tenure = Tenure(kept, clock, sure_for, self._abort)
        return Store(self._connection, self.aclose, self._instance, tenure)

    async def visit(self) -> Store:
        """The state without a turn, for what concerns this instance alone: its device.

        Raises Unreachable while its tables are those of another release.
        """
        with _explained(self._engine.url):
            async with self._connection.begin():
                version = await self._connection.scalar(
                    sa.text("SELECT version_num FROM alembic_version")
                )
        if version != HEAD:
            raise Unreachable("the database is used by another release of Gantry")
        return Store(self._connection, self.aclose, self._instance)

    async def aclose(self) -> None:
        """Let go of the connection, however it is."""
        connection = self._connection
        if connection.sync_connection is not None and not connection.closed:
            try:
                await connection.rollback()
            except (sa.exc.SQLAlchemyError, OSError, TimeoutError):
                await connection.invalidate()
            await connection.close()
        await self._engine.dispose()

    def _abort(self) -> None:
        proxied = cast(Any, self._connection.sync_connection)
        if proxied is not None and not proxied.closed and not proxied.invalidated:
            proxied.connection.driver_connection.terminate()


def _engine(address: Address) -> AsyncEngine:
    url = make_url(address.url).set(drivername="postgresql+asyncpg")
    if address.password is not None:
        url = url.set(password=address.password.get_secret_value())
    try:
        engine = create_async_engine(
            url,
            pool_size=1,
            max_overflow=0,
            pool_reset_on_return=None,
            hide_parameters=True,  # there are tokens among them
            connect_args={"timeout": CONNECT_WITHIN, "server_settings": _SESSION},
        )
    except ModuleNotFoundError as error:
        raise ConfigError(
            "PostgreSQL needs the library asyncpg, which is not installed",
            hint="pip install 'gantry[postgres]'",
        ) from error
    sa.event.listen(engine.sync_engine, "before_cursor_execute", _mended, retval=True)
    return engine


def _mended(
    _connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool
) -> tuple[str, Any]:
    """PostgreSQL takes no NUL and no lone surrogate in a text, and what models and logs say may
    hold either: `\ufffd` and `?` are kept instead."""
    if isinstance(parameters, list):  # a tuple for each time it runs
        return statement, [tuple(map(_text, row)) for row in parameters]
    return statement, tuple(map(_text, parameters))


def _text(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if not value.isascii():
        value = value.encode(errors="replace").decode()
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")


@contextmanager
def _explained(url: sa.URL) -> Iterator[None]:
    """Say what the database says in words a person can act on."""
    place = url.set(password=None).render_as_string()
    try:
        yield
    except OpsError:
        raise
    except (OSError, TimeoutError) as error:
        why = str(error) or "it does not answer"
        raise Unreachable(f"the database {place} cannot be reached: {why}") from error
    except sa.exc.DBAPIError as error:
        why = str(getattr(error.orig, "__cause__", None) or error.orig)
        state = str(getattr(error.orig, "sqlstate", None) or "08000")
        if state.startswith(_LATER) or error.connection_invalidated:
            raise Unreachable(f"the database {place} cannot be used now: {why}") from error
        raise ConfigError(
            f"the database {place} cannot be used: {why}",
            hint="see docs/postgres.md for what it needs",
        ) from error
