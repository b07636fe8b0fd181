"""Whose turn it is with a service: two changes to one never overlap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

from domain.clock import Clock
from domain.operations import Operation
from domain.progress import Progress, Report
from fleet.cancellations import Cancellations

UNTOUCHED = "Nothing was done yet."
"""How things stand when a change is cancelled before its first step."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A service that is being changed right now."""

    service: str
    operation: Operation
    """What changes it. The claim is gone as soon as that has ended, however it did."""
    since: datetime


class Claims:
    """One operation at a time holds a service; the others wait in the order they came."""

    def __init__(self, cancellations: Cancellations, clock: Clock) -> None:
        self._cancellations = cancellations
        self._clock = clock
        self._turns: dict[str, asyncio.Lock] = {}
        self._held: dict[str, Claim] = {}

    @property
    def held(self) -> tuple[Claim, ...]:
        """Every claim there is, oldest first."""
        return tuple(sorted(self._held.values(), key=lambda claim: claim.since))

    def holder(self, name: str) -> str | None:
        """The operation that is changing a service right now."""
        claim = self._held.get(name)
        return claim.operation.id if claim else None

    @asynccontextmanager
    async def on(self, name: str, operation: Operation, report: Report) -> AsyncIterator[None]:
        """Wait for one's turn, saying for whom, and have it. Raises Cancelled while waiting."""
        turn = self._turns.setdefault(name, asyncio.Lock())
        if turn.locked():
            report(Progress(f"wait for {self._whom(name)} to finish with {name}"))
        # Begun even for one that was cancelled already: it may have something to put back.
        await self._cancellations.guard(operation.id, turn.acquire(), UNTOUCHED, begin=True)
        self._held[name] = Claim(name, operation, self._clock.now())
        try:
            yield
        finally:
            self._held.pop(name, None)
            turn.release()

    def _whom(self, name: str) -> str:
        claim = self._held.get(name)
        return f"{claim.operation.id} of {claim.operation.sender}" if claim else "another"
