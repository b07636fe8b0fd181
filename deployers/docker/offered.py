"""What an engine says of itself, asked once a change and not at each of its steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployers.docker import hardware
from deployers.docker.api import Api
from domain.clock import Clock

FRESH = 10.0
"""Seconds for which whether it gives cards counts: it is its configuration, read as it starts."""

JUST_NOW = 0.5
"""Seconds for which all it said counts: a change is planned, and held against the world again right
before it is made. To say it, an engine runs other programs (`runc --version`) and takes longer than
over all else that is asked of it in between."""


class Offered:
    """What it is and offers. What a plan was made from is what its steps go by."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._noted: tuple[float, Mapping[str, Any]] | None = None

    async def said(self) -> Mapping[str, Any]:
        """What `docker info` says; what it has just said, if it still answers. Raises
        Unreachable."""
        if (noted := self._within(JUST_NOW)) is not None:
            await self._api.ping()
            return noted
        return await self._ask()

    async def trouble(self) -> str | None:
        """What keeps it from giving cards, asked for unless it was said a moment ago; None for
        nothing. Raises Unreachable."""
        return hardware.trouble(await self._lately())

    async def named(self, count: int) -> tuple[str, ...]:
        """So many cards by their names; none where it has no names for them. Raises Unreachable."""
        return hardware.by_name(count, hardware.devices(await self._lately()))

    async def _lately(self) -> Mapping[str, Any]:
        noted = self._within(FRESH)
        return await self._ask() if noted is None else noted

    def _within(self, seconds: float) -> Mapping[str, Any] | None:
        at, noted = self._noted or (0.0, None)
        return noted if self._clock.monotonic() - at < seconds else None

    async def _ask(self) -> Mapping[str, Any]:
        said = await self._api.info()
        self._noted = self._clock.monotonic(), said
        return said
