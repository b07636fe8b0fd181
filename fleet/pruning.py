"""Forgets what ended long ago, so that the state does not grow for ever."""

from __future__ import annotations

from datetime import datetime, timedelta

import structlog

from domain.clock import Clock
from fleet.store.database import Store

EVERY = 86400.0
"""Seconds between two looks for what is old."""

AT_ONCE = 20
"""Operations that are forgotten in one transaction: the bot does nothing else meanwhile."""

PAUSE = 0.1
"""Seconds between two transactions, for whoever wants an answer."""

log = structlog.get_logger()


class Pruning:
    """Forgets ended operations together with what was said of them and in them.

    An operation is what keeps its event from being run twice. So `keep_for` is longer than the age
    at which a command expires: an event that is delivered again after that is not run.
    """

    def __init__(self, store: Store, clock: Clock, keep_for: timedelta) -> None:
        self._store = store
        self._clock = clock
        self._keep_for = keep_for

    async def run(self) -> None:
        """Now and once a day, for ever."""
        while True:
            await self.prune()
            await self._clock.sleep(EVERY)

    async def prune(self) -> int:
        """Forget what is old. Returns how many operations that were."""
        before = self._clock.now() - self._keep_for
        async with self._store.transaction() as tx:
            await tx.sealed.drop_before(before)
            await tx.leaks.drop_before(before)
        count = found = await self._some(before)
        while found == AT_ONCE:
            await self._clock.sleep(PAUSE)
            found = await self._some(before)
            count += found
        if count:
            log.info("pruned", operations=count, before=before.isoformat())
        return count

    async def _some(self, before: datetime) -> int:
        async with self._store.transaction() as tx:
            old = await tx.operations.old(before, AT_ONCE)
            await tx.files.drop_about(old)
            await tx.messages.drop_about(old)
            await tx.turns.drop_of(old)
            await tx.batches.drop_of(old)
            await tx.decisions.drop_of(old)
            await tx.operations.drop(old)
        return len(old)
