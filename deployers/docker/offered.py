"""What an engine offers its containers, asked once a change and not at each of its steps."""

from __future__ import annotations

from deployers.docker import hardware
from deployers.docker.api import Api
from domain.clock import Clock

FRESH = 10.0
"""Seconds for which what an engine said counts: it is its configuration, read as it starts."""


class Offered:
    """Whether it gives cards. What a plan was made from is what its steps go by."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._noted: tuple[float, str | None] | None = None

    def note(self, trouble: str | None) -> None:
        """What keeps it from giving any, as it has just said; None for nothing."""
        self._noted = self._clock.monotonic(), trouble

    async def trouble(self) -> str | None:
        """The same, asked for unless it was said a moment ago. Raises Unreachable."""
        if self._noted is None or self._clock.monotonic() - self._noted[0] >= FRESH:
            self.note(hardware.trouble(await self._api.info()))
        assert self._noted is not None
        return self._noted[1]
