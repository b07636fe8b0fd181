"""The bot from a message that was read to the one it answers with, its homeserver scripted."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from bot.discretion import Discretion
from bot.intake import Around, Intake
from bot.matrix.inbound import Message
from bot.matrix.outbox import Outbox
from bot.matrix.session import Reading
from bot.submissions import Submission
from bot.telemetry import Telemetry
from bot.voice import Voice
from bot.worker import Worker
from commands.grammar import Grammar
from commands.rooms import RoomBook
from commands.verb import AnyVerb, Deps
from commands.verbs import all_verbs
from domain.access import Environment, Policy
from domain.operations import Operation, State, operation_id
from domain.people import Actor, Role
from domain.subjects import Subjects
from fleet.decisions import Decisions
from fleet.store.positions import Position
from inference.asking import Models
from inference.client import Timeouts
from inference.gateway.relay import Relay
from inference.health import Health
from inference.router import Router
from tests.fleet.world import World

from .homeserver import ANN, ME, ROOM, ROOT, Homeserver

PROD = Environment("prod", ("a",), "a")
POLICY = Policy(
    {
        Role.VIEWER: Subjects(("@*:example.org",)),
        Role.OPERATOR: Subjects((ANN,)),
        Role.ADMIN: Subjects((ROOT,)),
    },
    {ROOM: PROD},
)
ENDED = {state.value for state in State if state.ended}


class Desk:
    """Intake, worker and outbox over one store."""

    def __init__(
        self,
        world: World,
        homeserver: Homeserver,
        start: Callable[[Outbox], asyncio.Task[None]],
        **more: AnyVerb,
    ) -> None:
        self.world, self.homeserver, self._start, self._more = world, homeserver, start, more
        self.discretion = Discretion()
        self._count = 0
        self.policy, self.standing = POLICY, None
        self.open()

    def open(self) -> None:
        """As at each start of the process: nothing but the store and the targets is left."""
        world, verbs = self.world, {**all_verbs(), **self._more}
        fleet = world.new_fleet()
        self.outbox = Outbox(self.homeserver, world.store, world.clock)
        health = Health(world.endpoints, world.clock)
        self.router = Router(world.endpoints, health, random.Random(1), hold=0.01)
        nobody: Any = None
        models = Models(Relay(self.router, nobody, Timeouts()), world.clock, lambda served: None)
        self.telemetry = Telemetry(world.clock)
        self.deps = Deps(
            fleet,
            models,
            world.store,
            world.cancellations,
            Decisions(world.store, world.clock),
            Voice(world.store, self.outbox, "!"),
            RoomBook(self.policy),
            world.clock,
            world.clock.now(),
            "1.2.3",
            "!",
            measured=self.telemetry.of,
            lately=self.telemetry.lately,
        )
        age = timedelta(minutes=10)
        self.worker = Worker(
            Grammar(verbs), self.deps, self.outbox, age, self.discretion, self.standing
        )
        self.intake = Intake(
            world.store,
            Grammar(verbs),
            self.outbox,
            world.clock,
            ME,
            "!",
            Around(self.worker.take_up, reconsider=self.deps.decisions.heard),
        )
        self.sending = self._start(self.outbox)

    async def crash(self) -> None:
        """What ran is gone; what was kept is not."""
        await self.worker.aclose(0)
        self.sending.cancel()
        await asyncio.wait([self.sending])

    async def restart(self) -> None:
        await self.crash()
        self.open()
        await self.worker.resume()

    def message(self, body: str, sender: str = ANN, age: float = 0, room: str = ROOM) -> Message:
        self._count += 1
        at = self.world.clock.now() - timedelta(seconds=age)
        return Message(f"${self._count}", room, sender, body, at)

    async def hears(self, body: str, sender: str = ANN, age: float = 0, room: str = ROOM) -> str:
        """Somebody says something. The id it gets if it is a command."""
        message = self.message(body, sender, age, room)
        await self.intake.file(Reading(f"s{self._count}", (message,)))
        return operation_id(message.event_id)

    async def submits(self, actor: str, text: str, delivery: str = "", **more: Any) -> Operation:
        """A webhook or a schedule asks for something, as its receiver has it."""
        self._count += 1
        kind, _, name = actor.partition(":")
        made: Any = kind
        delivery = delivery or f"delivery {self._count}"
        at = self.world.clock.now() - timedelta(seconds=more.get("age", 0))
        room = more.get("room", ROOM)
        return await self.intake.submit(Submission(Actor(made, name), delivery, room, text, at))

    async def operation(self, name: str) -> Operation:
        async with self.world.store.transaction() as tx:
            return await tx.operations.get(name)

    async def ends(self, name: str) -> Operation:
        """Wait for an operation's end and for its words to have been said."""
        async with asyncio.timeout(10):
            while True:
                async with self.world.store.transaction() as tx:
                    operation, unsaid = await tx.operations.get(name), await tx.messages.unsaid()
                if operation.state.ended and not unsaid:
                    return operation
                await asyncio.sleep(0.002)

    async def says(self, body: str, **more: Any) -> str:
        """The answer to a command, once it ended."""
        before = len(self.homeserver.shown(more.get("room", ROOM)))
        await self.ends(await self.hears(body, **more))
        return "\n".join(self.homeserver.shown(more.get("room", ROOM))[before:])

    async def ready(self) -> None:
        """Give the account a position to move on from, as logging in does."""
        async with self.world.store.transaction() as tx:
            await tx.positions.put(Position(ME, "DEVICE", None, "s0"))

    async def token(self) -> str | None:
        async with self.world.store.transaction() as tx:
            return (await tx.positions.get(ME)).token
