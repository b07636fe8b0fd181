"""Whose turn it is with a service: two changes to one never overlap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from domain.operations import Operation
from domain.progress import Progress, Report
from fleet.cancellations import Cancellations


class Claims:
    """One operation at a time holds a service; the others wait in the order they came."""

    def __init__(self, cancellations: Cancellations) -> None:
        self._cancellations = cancellations
        self._claims: dict[str, asyncio.Lock] = {}
        self._holders: dict[str, str] = {}

    def holder(self, name: str) -> str | None:
        """The operation that is changing a service right now."""
        return self._holders.get(name)

    @asynccontextmanager
    async def on(self, name: str, operation: Operation, report: Report) -> AsyncIterator[None]:
        """Wait for one's turn, saying for whom, and have it. Raises Cancelled while waiting."""
        claim = self._claims.setdefault(name, asyncio.Lock())
        if claim.locked():
            report(Progress(f"wait for {self._holders.get(name)} to finish with {name}"))
        await self._cancellations.guard(operation.id, claim.acquire())
        self._holders[name] = operation.id
        try:
            yield
        finally:
            self._holders.pop(name, None)
            claim.release()
