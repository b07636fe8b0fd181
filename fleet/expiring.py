"""Asks about services that were only meant for a while, and has them removed if nobody minds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime

import structlog

from domain.clock import Clock
from domain.expiries import Due, Expiry
from domain.operations import EXPIRING, Operation
from fleet.errands import errand
from fleet.store.database import Store, Transaction
from fleet.store.messages import Content, Message, key_of
from fleet.store.services import Wanted

EVERY = 10.0
"""Seconds between two looks at the clock."""

Words = Callable[[Expiry, datetime], Content]
"""(expiry, now) -> the question about it or, once it was answered, how."""

log = structlog.get_logger()


class Expiring:
    """Each end of a service is asked about once and carried out once, over restarts too.

    That it was asked is kept together with the question; the removal is an operation like any
    other. So what was not kept was not asked, and what was filed is not filed again.
    """

    def __init__(
        self,
        store: Store,
        words: Words,
        say: Callable[[Message], None],
        file: Callable[[Operation], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._store = store
        self._words = words
        self._say = say
        self._file = file
        self._clock = clock

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await self.look()
            await self._clock.sleep(EVERY)

    async def look(self) -> None:
        """See to every service whose time has come."""
        async with self._store.transaction() as tx:
            found = await tx.expiries.all()
        for each in found:
            if each.due(self._clock.now()) is not Due.NOTHING:
                await self._see_to(each.service)

    async def _see_to(self, name: str) -> None:
        now, said, removal = self._clock.now(), None, None
        async with self._store.transaction() as tx:
            expiry, wanted = await tx.expiries.get(name), await tx.services.get(name)
            if expiry is None or wanted is None:
                await tx.expiries.drop(name)
                return
            match expiry.due(now):
                case Due.ASK:
                    said = await self._ask(tx, expiry, wanted, now)
                case Due.ANSWERED:
                    said = await self._answered(tx, expiry, wanted, now)
                case Due.REMOVE if not await _busy(tx, name):
                    removal = errand(EXPIRING, "expire", wanted, now)
        if said is not None:
            self._say(said)
        if removal is not None:
            log.info("expired", service=name)
            await self._file(removal)

    async def _ask(self, tx: Transaction, expiry: Expiry, wanted: Wanted, now: datetime) -> Message:
        end = expiry.end_if_asked(now)
        key = f"{key_of(wanted.operation)}:expiry:{end.timestamp():.0f}"
        asking = expiry.asking(key, end)
        await tx.expiries.put(asking)
        return await tx.messages.want(key, wanted.room, self._words(asking, now))

    async def _answered(
        self, tx: Transaction, expiry: Expiry, wanted: Wanted, now: datetime
    ) -> Message | None:
        settled, asked = expiry.settled(), await tx.messages.get(expiry.question or "")
        await tx.expiries.put(settled)
        if asked is None:  # forgotten with the operation it belonged to
            return None
        return await tx.messages.want(asked.key, asked.room, self._words(settled, now))


async def _busy(tx: Transaction, name: str) -> bool:
    """Whether it is being changed, or removed, just now: that comes first."""
    return any(each.changes and each.service == name for each in await tx.operations.unended())
