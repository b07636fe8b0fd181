"""A crowd that changes a few services at once, and a fleet that is killed again and again.

What it does is drawn from a seed, so that what once went wrong can be seen again.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

from domain.errors import Cancelled, OpsError
from domain.operations import Operation, State
from domain.services import Placement, ServiceSpec
from domain.sources import parse_source
from fleet.planning import Decide

from .world import ANN, World, filed

SERVICES = ("tiny", "qwen", "gemma")
SOURCES = ("tiny://smooth", "tiny://smooth", "tiny://never-ready", "tiny://out-of-memory")


@dataclass(frozen=True)
class Wish:
    """One change somebody asks for."""

    service: str
    kind: str
    placements: tuple[Placement, ...]
    source: str
    cancelled_after: int | None
    """Turns of the event loop after which somebody calls it off."""

    def decide(self, operation: str) -> Decide:
        """What it comes to. An operation that was made true before must not be asked again."""

        def made(before: ServiceSpec | None) -> ServiceSpec:
            signed = (operation, "done")
            assert before is None or signed not in before.settings, f"{operation} decided twice"
            if before is None:
                if self.kind != "deploy":
                    raise OpsError("there is no such service")
                return ServiceSpec(
                    name=self.service,
                    source=parse_source(self.source),
                    placements=self.placements,
                    settings=(signed,),
                )
            if self.kind == "scale":
                return before.model_copy(update={"placements": self.placements})
            if self.kind == "remove":
                return before.scaled(0)
            settings = tuple(sorted((*before.settings, signed)))
            changed = before.model_copy(update={"settings": settings})
            if self.kind == "deploy":
                return changed.model_copy(update={"source": parse_source(self.source)})
            return changed

        return made


def wishes(dice: random.Random, count: int) -> list[Wish]:
    """What the crowd asks for, in order."""
    return [
        Wish(
            dice.choice(SERVICES),
            dice.choice(("deploy", "deploy", "scale", "scale", "restart", "remove")),
            tuple(
                Placement(target=target, replicas=dice.randrange(3))
                for target in dice.sample(["a", "b"], dice.choice((1, 2)))
            ),
            dice.choice(SOURCES),
            dice.randrange(400) if dice.random() < 0.2 else None,
        )
        for _ in range(count)
    ]


@dataclass
class Crowd:
    """Wishes on their way through one store and one set of targets, over many runs of the bot."""

    world: World
    dice: random.Random
    wishes: dict[str, Wish] = field(default_factory=dict)
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def asks(self, wish: Wish) -> None:
        """File it as an operation, and have it worked on."""
        operation = filed(f"{wish.kind} {len(self.wishes)}", self.world.clock.now())
        self.wishes[operation.id] = wish
        async with self.world.store.transaction() as tx:
            await tx.operations.file([operation])
        self._begin(operation)

    async def kill(self) -> None:
        """Everything in memory is gone; the next run goes on with what had not ended."""
        for task in self.tasks:
            task.cancel()
        if self.tasks:
            await asyncio.wait(self.tasks)
        self._bury()
        self.world.new_fleet()
        async with self.world.store.transaction() as tx:
            left = await tx.operations.unended()
            for operation in left:
                if by := await tx.operations.cancelled_by(operation.id):
                    self.world.cancellations.ask(operation.id, by)
        for operation in left:
            self._begin(operation)

    async def settles(self) -> None:
        """Wait for the end of everything that was asked for."""
        async with asyncio.timeout(60):
            await asyncio.gather(*self.tasks)

    async def turns(self, count: int) -> None:
        """Let the event loop go round so many times."""
        for _ in range(count):
            await asyncio.sleep(0)

    def _bury(self) -> None:
        """Raise what a task ended with, if it was not the kill."""
        for task in self.tasks:
            if not task.cancelled():
                task.result()
        self.tasks.clear()

    def _begin(self, operation: Operation) -> None:
        self.tasks.append(asyncio.create_task(self._run(operation)))
        wish = self.wishes[operation.id]
        if wish.cancelled_after is not None:
            self.tasks.append(asyncio.create_task(self._call_off(operation, wish.cancelled_after)))

    async def _call_off(self, operation: Operation, after: int) -> None:
        await self.turns(after)
        async with self.world.store.transaction() as tx:
            found = await tx.operations.get(operation.id)
            if found is None or found.state.ended:
                return
            await tx.operations.cancel(operation.id, ANN)
        self.world.cancellations.ask(operation.id, ANN)

    async def _run(self, operation: Operation) -> None:
        world, wish = self.world, self.wishes[operation.id]
        async with world.store.transaction() as tx:
            await tx.operations.started(operation.id, wish.service, world.clock.now())
        decide, state = wish.decide(operation.id), State.SUCCEEDED
        try:
            await world.fleet.change(
                wish.service,
                operation,
                decide,
                world.asking(operation),
                world.news.append,
                remove=wish.kind == "remove",
            )
        except Cancelled:
            state = State.CANCELLED
        except OpsError:
            state = State.FAILED
        await self.turns(self.dice.randrange(40))  # somebody tells the room meanwhile
        async with world.store.transaction() as tx:
            await tx.operations.ended(operation.id, state, "", world.clock.now())
