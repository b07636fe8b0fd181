"""Whose turn it is: two changes to one service never overlap, nor do two that start something on
one target.

Claims are in memory. A kill frees them all, since nothing but this process acts: the next one gets
its hold of the state first (the lock on its file, or the lease on PostgreSQL), and takes claims
anew as it goes on with what had not ended.

Nobody waits for somebody who waits for them: every operation takes its service first and then, at
once, its targets in the order of their names; nothing is taken on the way back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from domain.clock import Clock
from domain.operations import Operation
from domain.progress import Progress, Report
from fleet.cancellations import Cancellations

UNTOUCHED = "Nothing was done yet."
"""How things stand when a change is cancelled before its first step."""

Take = Callable[[Collection[str]], Awaitable[None]]
"""Wait for one's turn with all these targets. To be called once."""


class Scope(StrEnum):
    """What a claim is on."""

    SERVICE = "service"
    """It is being changed."""
    TARGET = "target"
    """Something is being started there."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A service or target that one operation has to itself right now."""

    scope: Scope
    name: str
    operation: Operation
    """Whose it is. The claim is gone as soon as that has ended, however it did."""
    since: datetime

    @property
    def service(self) -> str | None:
        """The service it is on; None if it is on a target."""
        return self.name if self.scope is Scope.SERVICE else None


class Claims:
    """One operation at a time holds a service or a target; others wait in the order they came."""

    def __init__(self, cancellations: Cancellations, clock: Clock) -> None:
        self._cancellations = cancellations
        self._clock = clock
        self._turns: dict[tuple[Scope, str], asyncio.Lock] = {}
        self._held: dict[tuple[Scope, str], Claim] = {}

    @property
    def held(self) -> tuple[Claim, ...]:
        """Every claim there is, oldest first."""
        return tuple(sorted(self._held.values(), key=lambda claim: claim.since))

    def holder(self, name: str) -> str | None:
        """The operation that is changing a service right now."""
        claim = self._held.get((Scope.SERVICE, name))
        return claim.operation.id if claim else None

    @asynccontextmanager
    async def on(self, name: str, operation: Operation, report: Report) -> AsyncIterator[None]:
        """Wait for one's turn, saying for whom, and have it. Raises Cancelled while waiting."""
        waiting = self._acquire(Scope.SERVICE, name, report)
        # Begun even for one that was cancelled already: it may have something to put back.
        await self._cancellations.guard(operation.id, waiting, UNTOUCHED, begin=True)
        with self._holding(Scope.SERVICE, name, operation):
            yield

    @asynccontextmanager
    async def targets(self, operation: Operation, report: Report) -> AsyncIterator[Take]:
        """Hand out the way to wait for one's turn with targets, which is had until this ends.

        It says for whom it waits. Cancelling it takes nothing more.
        """
        with ExitStack() as turns:

            async def take(names: Collection[str]) -> None:
                for name in sorted(names):
                    await self._acquire(Scope.TARGET, name, report)
                    turns.enter_context(self._holding(Scope.TARGET, name, operation))

            yield take

    async def _acquire(self, scope: Scope, name: str, report: Report) -> None:
        turn = self._turns.setdefault((scope, name), asyncio.Lock())
        if turn.locked():
            claim = self._held.get((scope, name))
            whom = f"{claim.operation.id} of {claim.operation.sender}" if claim else "another"
            report(Progress(f"wait for {whom} to finish {_AT[scope]} {name}"))
        await turn.acquire()

    @contextmanager
    def _holding(self, scope: Scope, name: str, operation: Operation) -> Iterator[None]:
        self._held[scope, name] = Claim(scope, name, operation, self._clock.now())
        try:
            yield
        finally:
            del self._held[scope, name]
            self._turns[scope, name].release()


_AT = {Scope.SERVICE: "with", Scope.TARGET: "on"}
