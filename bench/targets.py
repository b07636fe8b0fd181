"""The first `!targets` over twenty hosts of which five are dead, and what the others notice."""

from __future__ import annotations

import asyncio
import time
from itertools import pairwise

from bench.fleet_stage import FleetStage, Opened, open_fleet
from bench.measures import Book, Bound, Figure, Measure, quantile
from bench.room import Tell
from bot.matrix.content import told
from commands.status import Status, status
from commands.targets import Targets, targets
from deployers.guard import guarded
from deployers.protocol import Deployer, Tools
from deployers.rehearsal import KIND
from domain.operations import State
from domain.replicas import Observed, TargetFacts

HOSTS, DEAD = 20, 5
SERVICES = HOSTS
"""One on each."""

FIRST = 3.0
"""Seconds the first look may take."""

EVERY = 5.0
"""Seconds between two looks of the keeper."""

KEPT = 45.0
"""Seconds the keeper is watched for, while dead hosts come to be known as such."""

_LOOKS = 20


class Dead:
    """A host that takes every question and never answers: the worst a dead one can do."""

    def __init__(self, real: Deployer) -> None:
        self._real = real
        self.capabilities = real.capabilities
        self.plan, self.need, self.apply = real.plan, real.need, real.apply
        self.logs, self.aclose = real.logs, real.aclose

    async def inspect(self) -> TargetFacts:
        """Hang."""
        await asyncio.Event().wait()
        return await self._real.inspect()

    async def observe(self, service: str) -> Observed:
        """Hang."""
        await asyncio.Event().wait()
        return await self._real.observe(service)


def host(name: str, tools: Tools) -> Deployer:
    """A host that plays, or a dead one, guarded as the bot guards its targets."""
    settings = KIND.settings.model_validate({"kind": "rehearsal"})
    real = KIND.open(name, settings, tools)
    played = Dead(real) if name.startswith("dead") else real
    return guarded(name, "rehearsal", played, tools.clock)


def bench_targets(book: Book, tell: Tell, opened: Opened = host) -> None:
    """The first `!targets` and `!status`, and both once the dead are known, while the keeper looks.

    Other kinds of hosts can be `opened`; those whose name begins with `dead` should not answer.
    """
    tell(f"{HOSTS} hosts, {DEAD} of them dead: !targets and !status, over half a minute ...")
    run = asyncio.run(_run(opened))
    for name in ("first_targets", "first_status"):
        bound = Bound(slack=FIRST)
        book.note(Measure(f"targets.{name}", "s", 1, Figure(run[name][0]), bound=bound))
    for name in ("targets", "status"):
        seconds = run[name]
        figure = Figure(quantile(seconds, 0.5) * 1000, (min(seconds) * 1000, max(seconds) * 1000))
        book.note(Measure(f"targets.{name}_later", "ms", len(seconds), figure))
    waits = Figure(max(run["keeper"]))
    book.note(Measure("targets.keeper_longest_between_looks", "s", len(run["keeper"]), waits))


async def _run(opened: Opened) -> dict[str, list[float]]:
    """Seconds of each kind of look, and between two looks of the keeper at a host that lives."""
    names = [f"{'dead' if n < DEAD else 'host'}{n:02}" for n in range(HOSTS)]
    looks: list[float] = []

    def watched(name: str, tools: Tools) -> Deployer:
        made = opened(name, tools)
        return _Watched(made, looks) if name == names[-1] else made

    async with open_fleet(SERVICES, names, watched, EVERY) as stage:
        run = {"first_targets": [await _targets(stage)], "first_status": [await _status(stage)]}
        looks.clear()
        keeping = asyncio.create_task(stage.keeper.run(), name="keeper")
        await asyncio.sleep(KEPT)
        keeping.cancel()
        await asyncio.wait([keeping])
        run["keeper"] = [after - before for before, after in pairwise(looks)]
        for name, look in (("targets", _targets), ("status", _status)):
            run[name] = [await look(stage) for _ in range(_LOOKS)]
        return run


class _Watched:
    """A host that notes when it was looked at."""

    def __init__(self, real: Deployer, looks: list[float]) -> None:
        self._real, self._looks = real, looks
        self.capabilities = real.capabilities
        self.plan, self.need, self.apply = real.plan, real.need, real.apply
        self.logs, self.aclose, self.inspect = real.logs, real.aclose, real.inspect

    async def observe(self, service: str) -> Observed:
        """Note it, and look."""
        self._looks.append(time.perf_counter())
        return await self._real.observe(service)


async def _targets(stage: FleetStage) -> float:
    begun = time.perf_counter()
    reply = await targets(Targets(), stage.permit, stage.deps, lambda _: None)
    told(reply.blocks, stage.permit.operation, State.SUCCEEDED, "!")
    return time.perf_counter() - begun


async def _status(stage: FleetStage) -> float:
    begun = time.perf_counter()
    reply = await status(Status(), stage.permit, stage.deps, lambda _: None)
    told(reply.blocks, stage.permit.operation, State.SUCCEEDED, "!")
    return time.perf_counter() - begun
