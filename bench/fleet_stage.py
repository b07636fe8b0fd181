"""A fleet of many services on rehearsal targets, in this process."""

from __future__ import annotations

import random
import tempfile
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from bot.clock import SystemClock
from commands.access import Permit, permit
from commands.replies import Block
from commands.rooms import RoomBook
from commands.verb import Deps
from deployers.guard import guarded
from deployers.protocol import Deployer, Tools
from deployers.rehearsal import KIND
from deployers.rehearsal_memory import Memory, Role
from deployers.rehearsal_scripts import scenes
from domain.access import Environment, Policy
from domain.operations import Operation, operation_id
from domain.people import Role as Rank
from domain.readiness import FirstToken
from domain.replicas import Phase, ReplicaId
from domain.services import Placement, ServiceSpec
from domain.sources import parse_source
from domain.subjects import Subjects
from fleet.cancellations import Cancellations
from fleet.decisions import Decisions
from fleet.fleet import Fleet
from fleet.keeper import Keeper
from fleet.store.database import Store
from fleet.store.services import Wanted
from inference.asking import Models
from inference.endpoints import Endpoints
from inference.gateway.opening import Gateway, Ways, open_gateway

REPLICAS = 3
"""Of each service."""

TARGETS = ("north", "south", "west")
_ROOM, _ASKER = "!ops:bench.invalid", "@ann:bench.invalid"
_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FleetStage:
    """The parts of the bot that look at a fleet, over one that runs."""

    folder: Path
    deps: Deps
    keeper: Keeper
    permit: Permit


Opened = Callable[[str, Tools], Deployer]
"""(name, tools) -> a target of that name. What rehearsals under `targets/NAME` remember runs."""


def rehearsal(name: str, tools: Tools) -> Deployer:
    """A target that plays, guarded as the bot guards its own."""
    settings = KIND.settings.model_validate({"kind": "rehearsal"})
    return guarded(name, "rehearsal", KIND.open(name, settings, tools), tools.clock)


@asynccontextmanager
async def open_fleet(
    services: int,
    targets: Sequence[str] = TARGETS,
    opened: Opened = rehearsal,
    every: float = 30.0,
) -> AsyncIterator[FleetStage]:
    """So many services, wanted by the store and held by the targets; gone at the end.

    The keeper, if it is run, looks every so many seconds.
    """
    with tempfile.TemporaryDirectory(prefix="gantry-bench-") as name:
        folder, specs = Path(name), list(_specs(services, targets))
        _remember(folder, specs, targets)
        store = await Store.open(folder / "gantry.db")
        try:
            async with store.transaction() as tx:
                for spec in specs:
                    await tx.services.put(Wanted(spec, _ROOM, "bench1", _EPOCH))
            endpoints, clock, rng = Endpoints(), SystemClock(), random.Random(0)  # noqa: S311
            async with open_gateway(endpoints, Ways(), clock, rng) as gateway:
                deployers = {n: opened(n, Tools(_unasked, SystemClock(), folder)) for n in targets}
                try:
                    yield _stage(folder, store, gateway, endpoints, deployers, every)
                finally:
                    for deployer in deployers.values():
                        await deployer.aclose()
        finally:
            await store.aclose()


def _stage(
    folder: Path,
    store: Store,
    gateway: Gateway,
    endpoints: Endpoints,
    deployers: Mapping[str, Deployer],
    every: float,
) -> FleetStage:
    clock, cancellations = SystemClock(), Cancellations()
    fleet = Fleet(store, deployers, endpoints, cancellations, _unasked, clock)
    names = tuple(deployers)
    policy = Policy(
        {Rank.VIEWER: Subjects(("@*",))}, {_ROOM: Environment("bench", names, names[0])}
    )
    models = Models(gateway.relay, clock, lambda served: None)
    book = RoomBook(policy)
    deps = Deps(
        fleet=fleet,
        models=models,
        store=store,
        cancellations=cancellations,
        decisions=Decisions(store, clock),
        voice=_Mute(),
        rooms=book,
        clock=clock,
        started_at=clock.now(),
        version="bench",
        prefix="!",
    )
    keeper = Keeper(store, fleet, _unfiled, clock, every)
    asked = Operation(operation_id("$1"), "$1", _ROOM, _ASKER, "status", clock.now(), changes=False)
    return FleetStage(folder, deps, keeper, permit(asked, Rank.VIEWER, policy))


def _specs(services: int, targets: Sequence[str]) -> Iterator[ServiceSpec]:
    for number in range(services):
        yield ServiceSpec(
            name=f"model-{number:04}",
            source=parse_source(f"hf://example/model-{number % 40}-GGUF/model-q4_k_m.gguf"),
            placements=(Placement(target=targets[number % len(targets)], replicas=REPLICAS),),
        )


def _remember(folder: Path, specs: Iterable[ServiceSpec], targets: Sequence[str]) -> None:
    """As the targets would once everything is deployed."""
    memories = {target: Memory(folder / "targets" / target) for target in targets}
    log = tuple(scene.line for scene in scenes("smooth"))
    ready = Role(Phase.READY, "bench1", _EPOCH, log=log)
    for spec in specs:
        for placement in spec.placements:
            for number in range(placement.replicas):
                replica = ReplicaId(spec.name, spec.revision, number)
                memories[placement.target].note(replica, ready)


class _Mute:
    """There is no room to tell anything."""

    async def say(
        self, about: Operation, part: str, blocks: Sequence[Block], mention: Sequence[str] = ()
    ) -> None:
        raise AssertionError("nothing is said here")


async def _unasked(url: str, name: str) -> FirstToken | None:
    raise AssertionError("nobody is asked for a token here")


async def _unfiled(operation: Operation) -> None:
    raise AssertionError(f"nothing is broken, and yet: {operation.text}")
