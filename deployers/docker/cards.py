"""The memory of a host's graphics cards, which a replica that was ended gives back late."""

from __future__ import annotations

from deployers.docker.api import Api
from domain.clock import Clock
from domain.progress import Progress, Report
from domain.replicas import Phase

PATIENCE = 30.0
"""Seconds after an end in which its memory is waited for."""

_LOOK = 1.0
_STILL = 64 << 20
"""Bytes that free memory may move between two looks and be called still."""


class CardMemory:
    """Waits, before a replica takes cards, for what the one before gives back."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._before: int | None = None
        self._until = 0.0

    async def note(self) -> None:
        """A replica with cards is about to be ended."""
        self._before = await self._free()
        self._until = self._clock.monotonic() + PATIENCE

    async def settled(self, step: str, replica: str, report: Report) -> None:
        """Wait until memory came back and no more does; not longer than the patience, and not at
        all where nobody can look at the cards or none was given back."""
        before, self._before = self._before, None
        last = before
        while before is not None and last is not None and self._clock.monotonic() < self._until:
            free = await self._free()
            if free is None or (free - before > _STILL and abs(free - last) <= _STILL):
                return
            last = free
            told = f"waiting for the graphics card's memory: {free / 1e9:.3g} GB free"
            report(Progress(step, replica, Phase.STARTING, text=told))
            await self._clock.sleep(_LOOK)

    async def _free(self) -> int | None:
        """Bytes, over all cards; None where that cannot be told."""
        cards = await self._api.cards()
        return sum(card.memory_free for card in cards) if cards else None
