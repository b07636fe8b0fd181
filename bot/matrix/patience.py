"""How a homeserver in trouble is waited for: when to try again, and how much at once."""

from __future__ import annotations

import random

import structlog

from bot.matrix.pace import Pace
from domain.clock import Clock
from domain.errors import OpsError

log = structlog.get_logger()

FIRST_WAIT = 1.0
LONGEST_WAIT = 60.0
"""Seconds between attempts while the homeserver does not answer."""

AT_ONCE = 32
"""Messages on their way to one room. A homeserver takes several in little more time than one; one
that was found to limit us is given one at a time."""


class Patience:
    """What was learned of one homeserver. It limits the account, so rooms wait for that together;
    what a room alone has trouble with, it waits for alone."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._not_before = 0.0
        self._held: dict[str, float] = {}
        """Room -> when the next attempt may be made there."""
        self._next_wait: dict[str, float] = {}
        """Room -> seconds to wait when that fails too."""
        self._pace = Pace()

    @property
    def at_once(self) -> int:
        """How many messages may be on their way to one room."""
        return 1 if self._pace.interval_at(self._clock.monotonic()) else AT_ONCE

    def until_progress(self, shown_at: float) -> float:
        """Seconds until progress may be shown again, having been shown at that moment."""
        return self._pace.wait(shown_at, self._clock.monotonic())

    async def wait(self, room: str) -> None:
        """Wait until something may be sent there."""
        while True:
            until = max(self._not_before, self._held.get(room, 0.0))
            if until <= self._clock.monotonic():
                return
            await self._clock.sleep(until - self._clock.monotonic())

    def limited(self, seconds: float) -> None:
        """The homeserver asks for so much patience."""
        now = self._clock.monotonic()
        self._not_before = now + seconds
        self._pace = self._pace.refused(seconds, now)
        log.info("rate limited", seconds=seconds, edits_every=self._pace.interval)

    def failed(self, room: str, error: OpsError) -> None:
        """Try again later, and later each time; what failed together counts once."""
        now, wait = self._clock.monotonic(), self._next_wait.get(room, FIRST_WAIT)
        if now < self._held.get(room, 0.0):
            return
        log.warning("cannot send", room=room, why=error.summary, wait=wait)
        self._held[room] = now + wait * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        self._next_wait[room] = min(wait * 2, LONGEST_WAIT)

    def went_well(self, room: str) -> None:
        """It answers there again."""
        self._next_wait.pop(room, None)
