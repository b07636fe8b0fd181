"""Time as a collaborator, so that tests need not wait for it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """What time it is, and waiting for a later one."""

    def now(self) -> datetime:
        """Wall time, with a time zone."""
        ...

    def monotonic(self) -> float:
        """Seconds that never run backwards, from an arbitrary start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        ...
