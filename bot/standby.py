"""Whose turn it is to act: always this bot's on a file of its own; on a database that several
share, once it has the lease, and for as long."""

from __future__ import annotations

import socket
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol

import structlog

from bot.watchdog import Watchdog
from domain.clock import Clock
from domain.errors import Busy, Unreachable
from fleet.store.database import Store, sqlite_path
from fleet.store.lease import LOOK_EVERY, Lease
from fleet.store.tenure import LostLease, StateLost
from ops_config.load import secret
from ops_config.settings import Settings

if TYPE_CHECKING:
    from fleet.store.postgres import Address, Shared

log = structlog.get_logger()

Act = Callable[[Store], Coroutine[Any, Any, None]]
"""What the bot does with its state."""


class State(Protocol):
    """The state, and when it may be used."""

    async def lead(self, act: Act) -> None:
        """Act when it is our turn, for as long as it is."""
        ...

    async def flaw(self) -> str:
        """What is wrong with the state; "" while it can be used."""
        ...

    def waiting(self) -> str:
        """What it is that we wait for instead of acting; "" when we do not."""
        ...

    async def aclose(self) -> None:
        """Let go of it."""
        ...


async def state_of(settings: Settings, clock: Clock) -> State:
    """The state that the settings name. Raises Busy when another process has its file, ConfigError
    when it cannot be used."""
    if settings.state.shared:
        return SharedState(address(settings), clock)
    return OwnState(await Store.open(sqlite_path(settings.state.url)))


async def visit(settings: Settings, clock: Clock) -> Store:
    """The state for `gantry check`, which looks at it and makes sure of this bot's device.

    Another bot on the same database may act meanwhile; raises Busy when this one does, and else
    as `state_of` and Unreachable.
    """
    if not settings.state.shared:
        return await Store.open(sqlite_path(settings.state.url))
    from fleet.store.postgres import Shared

    where = address(settings)
    shared = await Shared.connect(where)
    claim = await shared.claim()
    if not claim.free and claim.holder == where.instance:
        await shared.aclose()
        raise Busy(f"the bot `{claim.holder}` acts on {where.url}")
    lease = await shared.take(clock)
    if lease is not None:  # nobody has made the tables, perhaps, or brought them up to date
        await (await shared.open(lease, clock, lambda _: None)).aclose()
        shared = await Shared.connect(where)
    return await shared.visit()


async def looked_at(settings: Settings) -> Store:
    """A shared database, to read in while whichever bot acts. Raises ConfigError, Unreachable."""
    from fleet.store.postgres import Shared

    shared = await Shared.connect(address(settings))
    try:
        return await shared.visit()
    except BaseException:
        await shared.aclose()
        raise


def address(settings: Settings) -> Address:
    """Where the database is. Raises ConfigError for a password that is not there."""
    from fleet.store.postgres import Address  # asyncpg and the dialect: for who uses them

    state = settings.state
    password = secret(state.password_file, state.password_env, "the database user's password")
    return Address(state.url, password, state.instance or socket.gethostname())


class OwnState:
    """A file that nobody else has."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.flaw = store.flaw

    async def lead(self, act: Act) -> None:
        """Act at once."""
        await act(self._store)

    def waiting(self) -> str:
        """For nothing."""
        return ""

    async def aclose(self) -> None:
        """Let go of the file."""
        await self._store.aclose()


class SharedState:
    """A database that other bots may use, one at a time."""

    def __init__(self, where: Address, clock: Clock) -> None:
        self._where = where
        self._clock = clock
        self._watchdog = Watchdog()
        self._store: Store | None = None
        self._waiting = ""

    async def lead(self, act: Act) -> None:
        """Wait for our turn, quietly, and act; again whenever the database came back.

        A bot whose database went away does what it does after a kill: everything in memory is
        dropped, and what was under way is resumed from what was kept. One that lost its turn ends
        with the process: see Watchdog.
        """
        previous: Lease | None = None
        while True:
            shared, lease = await self._turn(previous)
            previous = lease
            try:
                self._store = await shared.open(lease, self._clock, self._watchdog.call_off)
            except Unreachable as error:
                await shared.aclose()
                await self._pause(error.summary)
                continue
            except BaseException:
                await shared.aclose()
                raise
            self._wait_for("")
            try:
                return await self._store.guarding(act(self._store))
            except LostLease as error:
                self._watchdog.bite(error)
            except StateLost as error:
                log.warning("state lost", why=error.summary, now="starting again")
            finally:
                self._watchdog.rest()
                store, self._store = self._store, None
                await store.aclose()

    async def flaw(self) -> str:
        """What is wrong with the database while we act; what we wait for says the rest."""
        return await self._store.flaw() if self._store else ""

    def waiting(self) -> str:
        """`standing by for NAME`, or that the database cannot be reached."""
        return self._waiting

    async def aclose(self) -> None:
        """Nothing is held outside of `lead`."""

    async def _turn(self, previous: Lease | None) -> tuple[Shared, Lease]:
        from fleet.store.postgres import Shared

        while True:
            try:
                shared = await Shared.connect(self._where)
            except Unreachable as error:
                await self._pause(error.summary)
                continue
            try:
                return shared, await self._lease(shared, previous)
            except Unreachable as error:
                await shared.aclose()
                await self._pause(error.summary)
            except BaseException:
                await shared.aclose()
                raise

    async def _lease(self, shared: Shared, previous: Lease | None) -> Lease:
        while True:
            lease = await shared.take(self._clock, previous)
            if lease is not None:
                log.info("acting", instance=lease.holder, epoch=lease.epoch)
                return lease
            await self._pause(f"standing by for {(await shared.claim()).holder}")

    async def _pause(self, reason: str) -> None:
        self._wait_for(reason)
        await self._clock.sleep(LOOK_EVERY)

    def _wait_for(self, reason: str) -> None:
        if reason and reason != self._waiting:
            log.info("waiting", why=reason)
        self._waiting = reason
