"""Writes down what requests used, behind them: none ever waits for the database."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from uuid import uuid4

import structlog

from domain.accounts import Account, Sums, account_of, sums_of
from domain.clock import Clock
from domain.tariffs import Tariff
from domain.usage import Served
from fleet.store.database import Store
from fleet.store.impatience import NotKept
from fleet.store.usage import Batch

EVERY = 1.0
"""Seconds from the first request that is not written down yet until it is."""

LONGEST_WAIT = 30.0
"""Seconds between two attempts while the database takes nothing."""

LAST_ATTEMPTS, GRACE = 5, 3.0
"""How often, and for how many seconds in all, it is tried at the end."""

log = structlog.get_logger()


class Ledger:
    """What was used and is not written down yet.

    It holds sums by hour, key, model and backend, so however many requests come while the database
    is locked or gone, they take no more memory than there are of these. It belongs to no store: one
    that is lost and opened again is given what was left.
    """

    def __init__(self, clock: Clock, tariff: Tariff | None = None) -> None:
        self._clock = clock
        self._tariff = tariff or Tariff()
        self._open: dict[Account, Sums] = {}
        self._writer = uuid4().hex
        self._batch: Batch | None = None
        """What was given to the database, and may have been kept or not. It stays what it is until
        that is known."""
        self._noted = asyncio.Event()
        self._away = False

    def note(self, served: Served) -> None:
        """Count a request that ended. Quick, and never raises."""
        account = account_of(served)
        self._open[account] = self._open.get(account, Sums()) + sums_of(served, self._tariff)
        self._noted.set()

    @property
    def unwritten(self) -> Mapping[Account, Sums]:
        """What is not known to be written down."""
        found = dict(self._batch.sums) if self._batch else {}
        for account, sums in self._open.items():
            found[account] = found.get(account, Sums()) + sums
        return MappingProxyType(found)

    async def run(self, store: Store) -> None:
        """Write behind, for ever."""
        while True:
            await self._noted.wait()
            wait = EVERY
            await self._clock.sleep(wait)
            while not await self.write(store):
                wait = min(wait * 2, LONGEST_WAIT)
                await self._clock.sleep(wait)

    async def write(self, store: Store) -> bool:
        """Try once to write down what there is. False when that is to be tried again."""
        if self._batch is None:
            if not self._open:
                return True
            self._batch = Batch(self._writer, uuid4().hex, self._open)
            self._open = {}
            self._noted.clear()
        try:
            async with store.attempt() as tx:
                await tx.usage.add(self._batch, self._clock.now())
        except NotKept as error:
            if not self._away:
                log.warning("usage not written", why=error.summary, standing="kept in memory")
            self._away = True
            return False
        self._batch = None
        if self._away:
            log.info("usage written again")
        self._away = False
        return True

    async def aclose(self, store: Store) -> None:
        """Write the rest, once `run` has been ended. What the database does not take within
        `GRACE` seconds stays here, and is told in the log."""
        try:
            async with asyncio.timeout(GRACE):
                for _ in range(LAST_ATTEMPTS):
                    if not await self.write(store):
                        await self._clock.sleep(GRACE / LAST_ATTEMPTS / 2)
                    elif not self.unwritten:
                        return
        except TimeoutError:
            pass
        requests = sum(sums.requests for sums in self.unwritten.values())
        log.error("usage left unwritten", requests=requests)
