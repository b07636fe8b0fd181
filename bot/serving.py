"""Runs the house: its loops, until it is told to stop or one of them cannot go on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import structlog

from bot import __version__
from bot.accounting import Accounting
from bot.clock import SystemClock
from bot.discretion import Discretion
from bot.health import Pulse
from bot.house import House, open_house
from bot.matrix.session import Session
from bot.standby import state_of
from bot.telemetry import Telemetry
from fleet.store.database import Store
from inference.gateway.tally import Listener
from inference.keyring import Keyring
from ops_config.gateway import GatewaySettings
from ops_config.settings import Settings
from ops_config.values import tariff

log = structlog.get_logger()

GRACE = 5.0
"""Seconds that talk gets to finish, and then the outbox to empty, when the bot is stopped."""


async def serve(
    settings: Settings, discretion: Discretion, stop: asyncio.Event, opened: asyncio.Event
) -> None:
    """Run the bot until `stop` is set; set `opened` from when on that is looked at. Raises OpsError
    when it cannot go on.

    Stopping leaves changes where they are: the next run finishes them. On a database that several
    bots share, this one acts when it is its turn.
    """
    clock = SystemClock()
    state = await state_of(settings, clock)
    pulse, telemetry = Pulse(state.flaw, clock, state.waiting), Telemetry(clock)
    accounting = Accounting.open(clock, tariff(settings))
    telemetry.listen(accounting.served)

    async def act(store: Store) -> None:
        pulse.begin()
        try:
            await _act(settings, discretion, store, pulse, accounting, telemetry, stop, opened)
        except BaseException:
            opened.clear()
            raise

    async with AsyncExitStack() as stack:
        stack.push_async_callback(state.aclose)
        if settings.monitoring.health is not None:
            from bot.health_pages import answering  # a web server takes 50 ms to import
            from bot.metrics_page import metrics_page  # and Prometheus' client others

            told = discretion.masked, metrics_page(telemetry, __version__)
            pages = answering(pulse, settings.monitoring.health, *told)
            await stack.enter_async_context(pages)
        await state.lead(act)


async def _act(
    settings: Settings,
    discretion: Discretion,
    store: Store,
    pulse: Pulse,
    accounting: Accounting,
    telemetry: Telemetry,
    stop: asyncio.Event,
    opened: asyncio.Event,
) -> None:
    async with open_house(settings, discretion, store, pulse, accounting, telemetry) as house:
        opened.set()
        await house.worker.resume()
        async with _running(house, accounting.ledger.run(store)) as tasks:
            stopping = asyncio.create_task(stop.wait(), name="stop")
            door = _answering(house, accounting.keyring, telemetry.publish, settings.gateway)
            async with door:
                await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if stop.is_set():
                log.info("stopping")
                tasks[0].cancel()
                await house.worker.aclose(GRACE)
                await house.outbox.settled(GRACE)


@asynccontextmanager
async def _answering(
    house: House, keyring: Keyring, ended: Listener, said: GatewaySettings
) -> AsyncIterator[None]:
    """The gateway, where it is to listen. At the end answers under way get time to finish."""
    if said.listen is None:
        yield
        return
    from bot.gateway import door  # a web server takes 50 ms to import

    async with door(house.gateway, keyring, ended, said):
        yield


@asynccontextmanager
async def _running(
    house: House, ledger: Coroutine[Any, Any, None]
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """The loops that may not end: one that does takes the others, and the process, with it."""
    loops: dict[str, Coroutine[Any, Any, None]] = {
        "session": house.session.run(),
        "outbox": house.outbox.run(),
        "keeper": house.keeper.run(),
        "doorkeeper": house.doorkeeper.run(),
        "admins": house.admins.hear(house.outbox.forbidden),
        "renewal": house.renewal.run(),
        "pruning": house.pruning.run(),
        "expiring": house.expiring.run(),
        "withdrawals": house.withdrawals.run(),
        "watch": house.watch.run(),
        "probing": house.gateway.probing.run(),
        "ledger": ledger,
    }
    passing: dict[str, Coroutine[Any, Any, None]] = {
        "vouching": house.vouching.run(house.session.caught_up),
        "announce": _announce(house.session),
    }
    lasting = [asyncio.create_task(loop, name=name) for name, loop in loops.items()]
    tasks = [*lasting, *(asyncio.create_task(work, name=n) for n, work in passing.items())]
    try:
        yield lasting
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await house.worker.aclose(0)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()):
            raise error


async def _announce(session: Session) -> None:
    await session.caught_up.wait()
    log.info("ready", version=__version__)
