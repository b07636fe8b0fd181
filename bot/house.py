"""Builds every object once, in order; closes in reverse. Only here are settings seen."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
from pydantic import SecretStr

from bot import __version__
from bot.accounting import Accounting
from bot.clock import SystemClock
from bot.discretion import Discretion
from bot.health import Pulse
from bot.incidents import line
from bot.intake import Around, Intake
from bot.keeping import question
from bot.leaks import Withdrawals
from bot.matrix.admins import Admins
from bot.matrix.answers import RateLimited
from bot.matrix.api import MatrixApi
from bot.matrix.crypto.recovery_key import RecoveryKey
from bot.matrix.crypto.vouching import Vouching
from bot.matrix.direct import Direct
from bot.matrix.doorkeeper import Doorkeeper
from bot.matrix.entering import Entrance, resolve
from bot.matrix.gallery import Gallery
from bot.matrix.login import log_in
from bot.matrix.outbox import Outbox
from bot.matrix.renewal import Renewal
from bot.matrix.session import Session
from bot.matrix.standing import Standing
from bot.matrix.upgrades import Upgrades
from bot.mirroring import mirror
from bot.parts import (
    credentials,
    key_store,
    learn_target_secrets,
    may_invite,
    open_targets,
    recovery_key,
    state_folder,
    ways_to_models,
)
from bot.telemetry import FleetInstruments, Telemetry
from bot.voice import Voice
from bot.worker import Worker
from commands.grammar import Grammar
from commands.rooms import RoomBook
from commands.verb import Deps
from commands.verbs import all_verbs
from deployers.protocol import Tools
from domain.clock import Clock
from domain.errors import Unreachable
from fleet.cancellations import Cancellations
from fleet.decisions import Decisions
from fleet.expiring import Expiring
from fleet.fleet import Fleet
from fleet.keeper import Keeper
from fleet.pruning import Pruning
from fleet.store.database import Store
from fleet.store.positions import Position
from fleet.watching import Watch
from inference.asking import Models
from inference.client import open_session
from inference.endpoints import Endpoints
from inference.gateway.opening import Gateway, open_gateway
from inference.probe import Prober
from ops_config.load import secret
from ops_config.settings import Settings
from ops_config.values import policy, prices

log = structlog.get_logger()

TALK, ANSWERS = 0.25, 2.0
"""Seconds that quick answers get to be worked out, and to be sent, before the rooms are read
again. A longer one goes on meanwhile."""


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
    expiring: Expiring
    withdrawals: Withdrawals
    watch: Watch
    gateway: Gateway


@asynccontextmanager
async def open_house(
    settings: Settings,
    discretion: Discretion,
    store: Store,
    pulse: Pulse,
    accounting: Accounting,
    telemetry: Telemetry,
) -> AsyncIterator[House]:
    """Everything, built and connected, with nothing running yet."""
    matrix, clock = settings.matrix, SystemClock()
    given = credentials(settings, discretion)
    async with AsyncExitStack() as stack:
        keys = key_store(settings, discretion)
        recovery = recovery_key(settings, discretion)
        api = MatrixApi(matrix.homeserver, matrix.user_id, keys, discretion)
        stack.push_async_callback(api.aclose)
        position = await _patiently(lambda: log_in(api, store, given, clock), clock)
        book = await _room_book(settings, api, store)
        http = await stack.enter_async_context(open_session())
        prober = Prober(http, clock)
        learn_target_secrets(settings, discretion)
        deployers = open_targets(settings, Tools(prober, clock, state_folder(settings), secret))
        for deployer in deployers.values():
            stack.push_async_callback(deployer.aclose)
        endpoints, cancellations = Endpoints(), Cancellations()
        await accounting.load(store)  # before anything listens
        stack.push_async_callback(accounting.ledger.aclose, store)
        outbox = Outbox(api, store, clock, listens=settings.state.shared)
        fleet = Fleet(
            store, deployers, endpoints, cancellations, prober.measure, clock, prices(settings)
        )
        ways, rng = ways_to_models(settings, discretion), random.Random()  # noqa: S311
        gateway = await stack.enter_async_context(open_gateway(endpoints, ways, clock, rng))
        await fleet.recall()
        models = Models(gateway.relay, clock, telemetry.publish)
        deps = Deps(
            fleet,
            models,
            store,
            cancellations,
            Decisions(store, clock),
            Voice(store, outbox, matrix.prefix),
            book,
            clock,
            clock.now(),
            __version__,
            matrix.prefix,
            masked=discretion.masked,
            keyring=accounting.keyring,
            courier=Direct(api, discretion, clock),
            measured=telemetry.of,
            lately=telemetry.lately,
            gallery=Gallery(api),
        )
        words, say = partial(line, prefix=matrix.prefix), partial(outbox.deliver, final=True)
        watch = Watch(store, deployers, lambda: fleet.survey.claims, words, say, clock)
        known = (given.password, recovery, discretion)
        house = _people(settings, deps, api, outbox, position, *known, watch, gateway)
        pulse.session = house.session
        telemetry.instruments = FleetInstruments(endpoints, gateway.health, http, store, deployers)
        stack.callback(setattr, telemetry, "instruments", None)
        yield house


async def _room_book(settings: Settings, api: MatrixApi, store: Store) -> RoomBook:
    """What is known of rooms so far."""
    told_in = settings.matrix.admin_room, settings.audit.mirror_room
    book = RoomBook(policy(settings), api.name, *told_in)
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
    outbox: Outbox,
    position: Position,
    password: SecretStr | None,
    recovery: RecoveryKey | None,
    discretion: Discretion,
    watch: Watch,
    gateway: Gateway,
) -> House:
    """The half of the house that talks with people."""
    matrix = settings.matrix
    grammar = Grammar(all_verbs())
    shared = settings.state.shared
    max_age = timedelta(seconds=matrix.max_command_age)
    standing = Standing(api, deps.rooms)
    worker = Worker(grammar, deps, outbox, max_age, discretion, standing.of)
    store, clock = deps.store, deps.clock
    store.mirror = mirror(deps.rooms, outbox) if settings.audit.mirror_room else None

    async def answered() -> None:
        await worker.quiet(TALK)
        await outbox.answered(ANSWERS)

    user_id, prefix = matrix.user_id, matrix.prefix
    admins = Admins(api, store, outbox, deps.rooms)
    withdrawals = Withdrawals(store, clock, api.remove)
    around = Around(
        work=worker.take_up,
        answered=answered,
        remove=api.remove,
        reconsider=deps.decisions.heard,
        holds_secret=discretion.holds,
        leaked=withdrawals.wake,
        tell_admins=admins.tell,
    )
    intake = Intake(store, grammar, outbox, clock, user_id, prefix, around)
    fetch = partial(api.fetch_keys, position.fetched) if shared else None
    if shared:
        intake.listen()
    refresh = SecretStr(position.refresh_token or "")
    renewal = Renewal(api, store, refresh, position.access_until, clock)
    api.line.renew = renewal.renew if position.refresh_token else None
    doorkeeper = _doorkeeper(settings, deps, api, outbox, admins)
    session = Session(
        api, intake.file, intake.still_sealed, doorkeeper.attend, clock, position.token, fetch
    )
    every = settings.monitoring.probe_every
    keeper = Keeper(deps.store, deps.fleet, intake.file_own, deps.clock, every)
    vouching = Vouching(api, recovery, password, session.open_late, clock)
    pruning = Pruning(store, clock, timedelta(seconds=settings.state.keep_for))
    ask = partial(question, prefix=prefix)
    expiring = Expiring(store, ask, partial(outbox.deliver, final=True), intake.file_own, clock)
    people = (vouching, doorkeeper, admins, renewal)
    rest = (pruning, expiring, withdrawals)
    return House(session, outbox, keeper, worker, *people, *rest, watch, gateway)


def _doorkeeper(
    settings: Settings, deps: Deps, api: MatrixApi, outbox: Outbox, admins: Admins
) -> Doorkeeper:
    book, prefix = deps.rooms, settings.matrix.prefix if settings.matrix.welcome else None
    entrance = Entrance(api, deps.store, outbox, book, prefix)
    upgrades = Upgrades(api, deps.store, book, entrance, admins, deps.clock)
    invited_by = may_invite(settings, book.policy)
    return Doorkeeper(api, entrance, upgrades, admins, invited_by, deps.clock)


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
