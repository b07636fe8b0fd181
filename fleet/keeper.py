"""Keeps what should run running: looks, adopts, and asks for repairs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from domain.clock import Clock
from domain.errors import OpsError
from domain.operations import KEEPER, Operation
from fleet.errands import errand
from fleet.fleet import Fleet
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

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await self.look()
            await self._clock.sleep(self._every)

    async def look(self) -> None:
        """Look once at every service that nobody is changing."""
        async with self._store.transaction() as tx:
            everything = await tx.services.all()
            busy = {o.service for o in await tx.operations.unended() if o.changes and not o.waits}
        for wanted in everything:
            if wanted.spec.name not in busy and self._survey.holder(wanted.spec.name) is None:
                await self._look_at(wanted)

    async def _look_at(self, wanted: Wanted) -> None:
        name = wanted.spec.name
        try:
            failed, missing = await self._survey.refresh(wanted)
        except OpsError as error:
            log.warning("cannot look", service=name, why=error.summary)
            return
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
