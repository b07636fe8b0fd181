"""Builds every object once, in order; closes in reverse. Only here are settings seen."""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from pydantic import SecretStr

from bot import __version__
from bot.clock import SystemClock
from bot.intake import Intake
from bot.matrix.api import Invitation, MatrixApi, RateLimited
from bot.matrix.keyring import KeyStore
from bot.matrix.login import log_in
from bot.matrix.outbox import Outbox
from bot.matrix.recovery_key import RecoveryKey
from bot.matrix.session import Session
from bot.matrix.vouching import Vouching
from bot.private_file import write_private
from bot.worker import Worker
from commands.grammar import Grammar
from commands.verb import Deps
from commands.verbs import all_verbs
from deployers import registry
from deployers.protocol import Deployer, Tools
from domain.access import Policy
from domain.clock import Clock
from domain.errors import OpsError, Unreachable
from domain.people import Person, Role
from fleet.cancellations import Cancellations
from fleet.fleet import Fleet
from fleet.keeper import Keeper
from fleet.store.database import Store, sqlite_path
from fleet.store.positions import Position
from inference.asking import Models
from inference.client import Timeouts, open_session
from inference.endpoints import Endpoints
from inference.probe import Prober
from ops_config.load import secret
from ops_config.settings import Settings
from ops_config.values import policy

log = structlog.get_logger()

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


async def serve(settings: Settings, stop: asyncio.Event) -> None:
    """Run the bot until `stop` is set. Raises OpsError when it cannot go on.

    Stopping leaves changes where they are: the next run finishes them.
    """
    async with open_house(settings) as house:
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
    password = secret(matrix.password_file, matrix.password_env, "the bot's password")
    token = secret(matrix.access_token_file, matrix.access_token_env, "the bot's access token")
    path = sqlite_path(settings.state.url)
    async with AsyncExitStack() as stack:
        store = await Store.open(path)
        stack.push_async_callback(store.aclose)
        api = MatrixApi(matrix.homeserver, matrix.user_id, key_store(settings))
        stack.push_async_callback(api.aclose)
        position = await _patiently(lambda: log_in(api, store, password, token), clock)
        rules = policy(settings, await room_ids(settings, api))
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
            rules,
            clock,
            clock.now(),
            __version__,
            matrix.prefix,
        )
        yield _people(settings, deps, api, position, password)


def key_store(settings: Settings) -> KeyStore:
    """Where the device's encryption keys are kept: beside the state.

    Without a passphrase in the settings one is made and kept next to them, which protects no
    more than the file's permissions do. Raises ConfigError.
    """
    matrix = settings.matrix
    folder = sqlite_path(settings.state.url).parent / "keys"
    file = matrix.store_passphrase_file
    if file is None:
        file = folder / "passphrase"
        if not file.exists():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(file, secrets.token_urlsafe(32))
    passphrase = secret(file, None, "the key store's passphrase")
    return KeyStore(folder, passphrase or SecretStr(""))


def recovery_key(settings: Settings) -> RecoveryKey | None:
    """The account's recovery key, if the settings name one. Raises ConfigError."""
    text = secret(settings.matrix.recovery_key_file, None, "the recovery key")
    return RecoveryKey.decode(text) if text else None


def open_targets(settings: Settings, tools: Tools) -> dict[str, Deployer]:
    """A deployer for each target, connected to nothing yet."""
    return {
        name: registry.kind(target.model_dump()["kind"]).open(name, target, tools)
        for name, target in settings.targets.items()
    }


async def room_ids(settings: Settings, api: MatrixApi) -> dict[str, str]:
    """Alias -> room id, for the aliases in the settings that exist."""
    found = {}
    for name in settings.rooms:
        if name.startswith("#"):
            try:
                found[name] = await api.room_id(name)
            except OpsError as error:
                log.warning("room not found", room=name, why=error.summary)
    return found


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
    intake = Intake(store, grammar, outbox, clock, matrix.user_id, matrix.prefix, worker.start)
    session = Session(
        api, intake.file, intake.still_sealed, _welcome(deps.policy), clock, position.token
    )
    every = settings.monitoring.probe_every
    keeper = Keeper(deps.store, deps.fleet, intake.file_own, deps.clock, every)
    vouching = Vouching(api, recovery_key(settings), password, session.open_late, clock)
    return House(session, outbox, keeper, worker, vouching)


def _welcome(rules: Policy) -> Any:
    def welcome(invitation: Invitation) -> bool:
        return rules.role(Person(invitation.sender, invitation.room)) >= Role.OPERATOR

    return welcome


@asynccontextmanager
async def _running(house: House) -> AsyncIterator[list[asyncio.Task[None]]]:
    """The three loops. One that ends takes the others, and the process, with it."""
    loops: dict[str, Coroutine[Any, Any, None]] = {
        "session": house.session.run(),
        "outbox": house.outbox.run(),
        "keeper": house.keeper.run(),
        "vouching": house.vouching.run(house.session.caught_up),
        "announce": _announce(house.session),
    }
    tasks = [asyncio.create_task(loop, name=name) for name, loop in loops.items()]
    try:
        yield tasks[:3]
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
