"""A fleet on pretended targets, with a real store and a clock that a test turns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from deployers import registry
from deployers.protocol import Deployer, Tools
from domain.costs import Price
from domain.decisions import NOBODY, Approval, Question
from domain.operations import Operation, operation_id
from domain.progress import Progress
from domain.readiness import FirstToken
from domain.replicas import Observed
from domain.services import Placement, ServiceSpec
from domain.sources import parse_source
from domain.terms import Terms
from fleet.cancellations import Cancellations
from fleet.decisions import Decisions
from fleet.fleet import Fleet, Outcome
from fleet.planning import Decide
from fleet.rollout import Rollout
from fleet.store.database import Store
from inference.endpoints import Endpoints

ROOM, ANN = "!ops:example.org", "@ann:example.org"


class Time:
    """A clock. While it flows, waiting takes no time; otherwise only `passes` lets it go on."""

    def __init__(self) -> None:
        self.flows = True
        self.seconds = 0.0
        self.slept = 0
        """How often somebody began to wait for it to pass."""
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        if self.flows:
            self.seconds += seconds
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        sleeper = (self.seconds + seconds, woken)
        self._sleepers.append(sleeper)
        self.slept += 1
        try:
            await woken
        finally:
            self._sleepers.remove(sleeper)

    @property
    def waiting(self) -> int:
        """How many sleep."""
        return len(self._sleepers)

    def passes(self, seconds: float) -> None:
        self.seconds += seconds
        for due, woken in self._sleepers:
            if due <= self.seconds and not woken.done():
                woken.set_result(None)

    def flow(self) -> None:
        """Let everybody wake now, and nobody wait any more."""
        self.flows = True
        for _, woken in self._sleepers:
            if not woken.done():
                woken.set_result(None)


async def until(holds: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for something other tasks bring about."""
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.001)


def spec(source: str = "tiny://ops", name: str = "tiny", **counts: int) -> ServiceSpec:
    placements = tuple(
        Placement(target=target, replicas=count) for target, count in (counts or {"a": 1}).items()
    )
    return ServiceSpec(name=name, source=parse_source(source), placements=placements)


def filed(text: str, at: datetime) -> Operation:
    origin = f"${text}"
    return Operation(operation_id(origin), origin, ROOM, ANN, text, at, changes=True)


@dataclass
class Asked:
    """Asks nobody in words: a test votes."""

    decisions: Decisions
    operation: Operation
    approval: Approval

    async def settled(self, rollout: Rollout) -> bool:
        now = self.decisions._clock.now()
        record = await self.decisions.ask(
            Question(
                self.operation.id,
                rollout.id,
                self.operation.sender,
                "prod",
                self.approval,
                now,
                now + timedelta(seconds=self.approval.within),
            )
        )
        return record.decision is not None

    async def answered(self, rollout: Rollout) -> None:
        while (record := await self.decisions.look(self.operation.id)).decision is None:
            await self.decisions.news(record.question)


@dataclass
class World:
    """What a fleet works on, and the fleet."""

    store: Store
    root: Path
    clock: Time = field(default_factory=Time)
    endpoints: Endpoints = field(default_factory=Endpoints)
    cancellations: Cancellations = field(default_factory=Cancellations)
    news: list[Progress] = field(default_factory=list)
    measured: list[str] = field(default_factory=list)
    """The models whose speed was asked for."""
    deployers: dict[str, Deployer] = field(default_factory=dict)
    prices: dict[str, Price] = field(default_factory=dict)
    first_token: FirstToken | None = None
    patience: float = 30.0
    """Seconds of the machine's own that what was cancelled gets to end."""

    def __post_init__(self) -> None:
        self.deployers = {name: self.target(name) for name in ("a", "b")}
        self.fleet = self.new_fleet()

    def target(self, name: str) -> Deployer:
        kind = registry.kind("rehearsal")
        settings = kind.settings.model_validate({"kind": "rehearsal", "pace": 1})
        return kind.open(name, settings, Tools(self._deaf, self.clock, self.root))

    def new_fleet(self) -> Fleet:
        """As after a restart: nothing in memory, everything on the targets and in the store."""
        self.endpoints, self.cancellations = Endpoints(), Cancellations(self.patience)
        self.fleet = Fleet(
            self.store,
            self.deployers,
            self.endpoints,
            self.cancellations,
            self._measure,
            self.clock,
            self.prices,
        )
        return self.fleet

    async def operation(self, text: str) -> Operation:
        """One that has begun."""
        operation = filed(text, self.clock.now())
        async with self.store.transaction() as tx:
            await tx.operations.file([operation])
            await tx.operations.started(operation.id, "tiny", self.clock.now())
            return await tx.operations.get(operation.id)

    async def change(
        self,
        want: ServiceSpec | Decide,
        text: str = "deploy tiny",
        *,
        remove: bool = False,
        terms: Terms | None = None,
    ) -> Outcome:
        """Carry out one change. Give each its own text: that is what makes it another one."""
        decide = want if callable(want) else lambda _: want
        name = "tiny" if callable(want) else want.name
        operation = await self.operation(text)
        asking = self.asking(operation)
        return await self.fleet.change(
            name, operation, decide, asking, self.news.append, remove=remove, terms=terms
        )

    def asking(self, operation: Operation, approval: Approval = NOBODY) -> Asked:
        """Leave for one change, asked without a room."""
        return Asked(Decisions(self.store, self.clock), operation, approval)

    async def wanted(self, name: str = "tiny") -> ServiceSpec | None:
        """What the store says should run."""
        async with self.store.transaction() as tx:
            found = await tx.services.get(name)
        return found.spec if found else None

    async def seen(self, target: str = "a", name: str = "tiny") -> Observed:
        return await self.deployers[target].observe(name)

    async def running(self, target: str = "a", name: str = "tiny") -> list[str]:
        """Names of ready replicas."""
        return [str(replica.id) for replica in (await self.seen(target, name)).ready]

    def asked(self, name: str = "tiny") -> list[str]:
        """Names of replicas that requests may reach."""
        return [str(e.replica) for e in self.endpoints.of(name) if e.admitted]

    @property
    def steps(self) -> list[str]:
        """What was reported, each step once."""
        return list(dict.fromkeys(news.step for news in self.news))

    async def _measure(self, url: str, name: str) -> FirstToken | None:
        self.measured.append(name)
        return self.first_token

    async def _deaf(self, url: str, name: str) -> FirstToken | None:
        return None
