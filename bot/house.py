"""Builds every object once, in order; closes in reverse. Only here are settings seen."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from pydantic import SecretStr

from bot import __version__
from bot.clock import SystemClock
from bot.health import Pulse
from bot.intake import Intake
from bot.leaks import Withdrawals
from bot.matrix.admins import Admins
from bot.matrix.answers import RateLimited
from bot.matrix.api import MatrixApi
from bot.matrix.crypto.vouching import Vouching
from bot.matrix.doorkeeper import Doorkeeper
from bot.matrix.entering import Entrance, resolve
from bot.matrix.login import log_in
from bot.matrix.outbox import Outbox
from bot.matrix.renewal import Renewal
from bot.matrix.session import Session
from bot.matrix.upgrades import Upgrades
from bot.parts import credentials, key_store, may_invite, open_targets, recovery_key
from bot.worker import Worker
from commands.grammar import Grammar
from commands.rooms import RoomBook
from commands.verb import Deps
from commands.verbs import all_verbs
from deployers.protocol import Tools
from domain.clock import Clock
from domain.errors import Unreachable
from fleet.cancellations import Cancellations
from fleet.fleet import Fleet
from fleet.keeper import Keeper
from fleet.pruning import Pruning
from fleet.store.database import Store, sqlite_path
from fleet.store.positions import Position
from inference.asking import Models
from inference.client import Timeouts, open_session
from inference.endpoints import Endpoints
from inference.probe import Prober
from ops_config.settings import Settings
from ops_config.values import policy

log = structlog.get_logger()

TALK, ANSWERS = 0.25, 2.0
"""Seconds that quick answers get to be worked out, and to be sent, before the rooms are read
again. A longer one goes on meanwhile."""

GRACE = 5.0
"""Seconds that talk gets to finish, and then the outbox to empty, when the bot is stopped."""


@dataclass(frozen=True, slots=True)
class House:
    """What runs."""

    session: Session
    outbox: Outbox
    keeper: Keeper
    worker: Worker
    vouching: Vouching
    doorkeeper: Doorkeeper
    admins: Admins
    renewal: Renewal
    pruning: Pruning
    withdrawals: Withdrawals


async def serve(settings: Settings, stop: asyncio.Event, opened: asyncio.Event) -> None:
    """Run the bot until `stop` is set; set `opened` from when on that is looked at. Raises OpsError
    when it cannot go on.

    Stopping leaves changes where they are: the next run finishes them.
    """
    async with open_house(settings) as house:
        opened.set()
        await house.worker.resume()
        async with _running(house) as tasks:
            stopping = asyncio.create_task(stop.wait(), name="stop")
            await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            if stop.is_set():
                log.info("stopping")
                tasks[0].cancel()
                await house.worker.aclose(GRACE)
                await house.outbox.settled(GRACE)


@asynccontextmanager
async def open_house(settings: Settings) -> AsyncIterator[House]:
    """Everything, built and connected, with nothing running yet."""
    matrix, clock = settings.matrix, SystemClock()
    given = credentials(settings)
    path = sqlite_path(settings.state.url)
    async with AsyncExitStack() as stack:
        store = await Store.open(path)
        stack.push_async_callback(store.aclose)
        pulse = Pulse(store.flaw, clock)
        if settings.monitoring.health is not None:
            from bot.health_pages import answering  # a web server takes 50 ms to import

            await stack.enter_async_context(answering(pulse, settings.monitoring.health))
        api = MatrixApi(matrix.homeserver, matrix.user_id, key_store(settings))
        stack.push_async_callback(api.aclose)
        position = await _patiently(lambda: log_in(api, store, given, clock), clock)
        book = await _room_book(settings, api, store)
        http = await stack.enter_async_context(open_session())
        prober = Prober(http, clock)
        deployers = open_targets(settings, Tools(prober, clock, path.parent))
        for deployer in deployers.values():
            stack.push_async_callback(deployer.aclose)
        endpoints, cancellations = Endpoints(), Cancellations()
        fleet = Fleet(store, deployers, endpoints, cancellations, prober.measure, clock)
        models = Models(endpoints, http, Timeouts(), clock, random.Random())  # noqa: S311
        deps = Deps(
            fleet,
            models,
            store,
            cancellations,
            book,
            clock,
            clock.now(),
            __version__,
            matrix.prefix,
        )
        house = _people(settings, deps, api, position, given.password)
        pulse.session = house.session
        yield house


async def _room_book(settings: Settings, api: MatrixApi, store: Store) -> RoomBook:
    """What is known of rooms so far."""
    book = RoomBook(policy(settings), api.name, settings.matrix.admin_room)
    async with store.transaction() as tx:
        for room, successor in (await tx.rooms.successors()).items():
            book.succeeded(room, successor)
    try:
        await resolve(api, book)
    except (Unreachable, RateLimited) as error:
        log.warning("rooms not looked up yet", why=error.summary)
    return book


def _people(
    settings: Settings,
    deps: Deps,
    api: MatrixApi,
    position: Position,
    password: SecretStr | None,
) -> House:
    """The half of the house that talks with people."""
    matrix = settings.matrix
    grammar = Grammar(all_verbs())
    outbox = Outbox(api, deps.store, deps.clock)
    max_age = timedelta(seconds=matrix.max_command_age)
    worker = Worker(grammar, deps, outbox, max_age)
    store, clock = deps.store, deps.clock

    async def answered() -> None:
        await worker.quiet(TALK)
        await outbox.answered(ANSWERS)

    user_id, prefix = matrix.user_id, matrix.prefix
    admins = Admins(api, store, outbox, deps.rooms)
    withdrawals = Withdrawals(store, clock, api.remove)
    intake = Intake(
        store,
        grammar,
        outbox,
        clock,
        user_id,
        prefix,
        worker.take_up,
        answered,
        api.remove,
        withdrawals.wake,
        admins.tell,
    )
    refresh = SecretStr(position.refresh_token or "")
    renewal = Renewal(api, store, refresh, position.access_until, clock)
    api.line.renew = renewal.renew if position.refresh_token else None
    doorkeeper = _doorkeeper(settings, deps, api, outbox, admins)
    session = Session(
        api, intake.file, intake.still_sealed, doorkeeper.attend, clock, position.token
    )
    every = settings.monitoring.probe_every
    keeper = Keeper(deps.store, deps.fleet, intake.file_own, deps.clock, every)
    vouching = Vouching(api, recovery_key(settings), password, session.open_late, clock)
    pruning = Pruning(store, clock, timedelta(seconds=settings.state.keep_for))
    people = (vouching, doorkeeper, admins, renewal)
    return House(session, outbox, keeper, worker, *people, pruning, withdrawals)


def _doorkeeper(
    settings: Settings, deps: Deps, api: MatrixApi, outbox: Outbox, admins: Admins
) -> Doorkeeper:
    book, prefix = deps.rooms, settings.matrix.prefix if settings.matrix.welcome else None
    entrance = Entrance(api, deps.store, outbox, book, prefix)
    upgrades = Upgrades(api, deps.store, book, entrance, admins, deps.clock)
    invited_by = may_invite(settings, book.policy)
    return Doorkeeper(api, entrance, upgrades, admins, invited_by, deps.clock)


@asynccontextmanager
async def _running(house: House) -> AsyncIterator[list[asyncio.Task[None]]]:
    """The loops. One of the first eight that ends takes the others, and the process, with it."""
    loops: dict[str, Coroutine[Any, Any, None]] = {
        "session": house.session.run(),
        "outbox": house.outbox.run(),
        "keeper": house.keeper.run(),
        "doorkeeper": house.doorkeeper.run(),
        "admins": house.admins.hear(house.outbox.forbidden),
        "renewal": house.renewal.run(),
        "pruning": house.pruning.run(),
        "withdrawals": house.withdrawals.run(),
        "vouching": house.vouching.run(house.session.caught_up),
        "announce": _announce(house.session),
    }
    tasks = [asyncio.create_task(loop, name=name) for name, loop in loops.items()]
    try:
        yield tasks[:8]
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


async def _patiently(attempt: Any, clock: Clock) -> Position:
    """Try until the homeserver answers; a clear no is raised at once."""
    wait = 1.0
    while True:
        try:
            position: Position = await attempt()
        except RateLimited as error:
            log.warning("cannot log in yet", why=error.summary)
            await clock.sleep(error.seconds)
        except Unreachable as error:
            log.warning("cannot log in yet", why=error.summary, wait=wait)
            await clock.sleep(wait)
            wait = min(wait * 2, 60.0)
        else:
            return position
