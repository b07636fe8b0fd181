"""Keeps what should run running: looks, adopts, and asks for repairs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from domain.clock import Clock
from domain.errors import OpsError
from domain.operations import KEEPER, Operation
from fleet.aligning import Standing
from fleet.errands import errand
from fleet.fleet import Fleet
from fleet.looking import targets_of
from fleet.overviews import portions
from fleet.store.database import Store
from fleet.store.services import Wanted

SENDER = KEEPER
"""Who the keeper's own operations are by."""

FIRST_WAIT = 10.0
LONGEST_WAIT = 600.0
ATTEMPTS = 5
"""Repairs in a row, without a lasting success between them, before the keeper leaves it be."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a service was repaired lately, and when the next repair may come."""

    attempts: int = 0
    not_before: float = 0.0
    """By the monotonic clock, seconds."""

    def after_attempt(self, now: float) -> Patience:
        """Wait twice as long after each attempt: 10 s, 20 s ... 10 min."""
        wait = min(LONGEST_WAIT, FIRST_WAIT * 2**self.attempts)
        return Patience(self.attempts + 1, now + wait)

    def allows(self, now: float) -> bool:
        """Whether another repair may start."""
        return self.attempts < ATTEMPTS and now >= self.not_before

    def outlived(self, now: float) -> bool:
        """Whether the last repair has held long enough to be called a success."""
        return bool(self.attempts) and now >= self.not_before + LONGEST_WAIT


class Keeper:
    """Compares what should run with what runs, every few seconds."""

    def __init__(
        self,
        store: Store,
        fleet: Fleet,
        file: Callable[[Operation], Awaitable[None]],
        clock: Clock,
        every: float,
    ) -> None:
        self._store = store
        self._survey = fleet.survey
        self._file = file
        self._clock = clock
        self._every = every
        self._patience: dict[tuple[str, str], Patience] = {}
        self._under_way: dict[tuple[str, ...], asyncio.Task[None]] = {}
        """Targets -> the look along the services that are placed there."""
        self._blind: set[str] = set()
        """Services that could not be looked at the last time; each is told once."""

    async def run(self) -> None:
        """Look, for ever. Services of a target that takes its time keep no others waiting."""
        try:
            while True:
                await self._begin()
                await self._clock.sleep(self._every)
        finally:
            for task in self._under_way.values():
                task.cancel()
            if self._under_way:
                await asyncio.wait(self._under_way.values())

    async def look(self) -> None:
        """Look once at every service that nobody is changing, and wait until that is done."""
        await self._begin()
        await asyncio.gather(*self._under_way.values())

    async def _begin(self) -> None:
        """A task for each set of targets, unless its last one is still under way."""
        async with self._store.transaction() as tx:
            everything = await tx.services.all()
            busy = {o.service for o in await tx.operations.unended() if o.changes and not o.waits}
        lanes: dict[tuple[str, ...], list[Wanted]] = {}
        for wanted in everything:
            if wanted.spec.name not in busy and self._survey.holder(wanted.spec.name) is None:
                lanes.setdefault(targets_of(wanted.spec), []).append(wanted)
        self._blind &= {wanted.spec.name for wanted in everything}
        for key in [key for key, task in self._under_way.items() if task.done()]:
            self._under_way.pop(key).result()
        for targets, services in lanes.items():
            if targets not in self._under_way:
                look = self._look_along(services)
                name = f"keep {', '.join(targets)}"
                self._under_way[targets] = asyncio.create_task(look, name=name)

    async def _look_along(self, services: Sequence[Wanted]) -> None:
        for portion in portions(services):
            known = await self._survey.refresh_together(portion)
            for wanted in portion:
                if self._survey.holder(wanted.spec.name) is None:
                    await self._look_at(wanted, known.get(wanted.spec.name))

    async def _look_at(self, wanted: Wanted, known: Standing | None) -> None:
        name = wanted.spec.name
        try:
            failed, missing = known or await self._survey.refresh(wanted)
        except OpsError as error:
            if name not in self._blind:
                log.warning("cannot look", service=name, why=error.summary)
            self._blind.add(name)
            return
        if name in self._blind:
            log.info("can look again", service=name)
            self._blind.remove(name)
        if missing and await self._is_still(wanted):
            reasons = sorted({replica.reason for replica in failed if replica.reason})
            await self._repair(wanted, missing, "; ".join(reasons))
        elif not missing:
            self._forgive((name, wanted.spec.revision))

    async def _is_still(self, wanted: Wanted) -> bool:
        """Whether nobody changed it, nor began to, while it was looked at."""
        name = wanted.spec.name
        async with self._store.transaction() as tx:
            busy = {o.service for o in await tx.operations.unended() if o.changes}
            return name not in busy and await tx.services.get(name) == wanted

    async def _repair(self, wanted: Wanted, missing: int, why: str) -> None:
        name, now = wanted.spec.name, self._clock.monotonic()
        key = (name, wanted.spec.revision)
        patience = self._patience.get(key, Patience())
        if not patience.allows(now):
            return
        self._patience[key] = patience.after_attempt(now)
        log.info("repair", service=name, missing=missing, why=why, attempt=patience.attempts + 1)
        await self._file(errand(SENDER, "repair", wanted, self._clock.now()))

    def _forgive(self, key: tuple[str, str]) -> None:
        patience = self._patience.get(key)
        if patience is not None and patience.outlived(self._clock.monotonic()):
            del self._patience[key]
