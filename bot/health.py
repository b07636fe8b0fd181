"""Whether the bot lives, and whether it can be asked for something."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from bot.matrix.session import Session
from domain.clock import Clock

SYNC_LIMIT = 90.0
"""Seconds without a sync after which the bot does not live: three times what one may take."""

STALL_LIMIT = 5.0
"""Seconds for which the event loop may stand still."""

STORE_LIMIT = 5.0
"""Seconds for which the state may keep us waiting."""

_BEAT = 1.0
_REMEMBERED = 60.0
"""Seconds for which a stall counts after it is over."""


@dataclass(frozen=True, slots=True)
class Signs:
    """What can be seen of a bot from outside. Times are seconds ago."""

    logged_in: bool
    caught_up: bool
    synced: float
    stalled: float
    """For how long the event loop lately stood still."""
    store: str = ""
    """What is wrong with the state."""
    waiting: str = ""
    """What the bot waits for before it reads the rooms: another one that acts, mostly."""


def not_alive(signs: Signs) -> list[str]:
    """Why a supervisor should start the bot anew; nothing when it should not."""
    wrong = []
    if signs.synced > SYNC_LIMIT and not signs.waiting:
        wrong.append(f"the rooms were last read {signs.synced:.0f} s ago")
    if signs.stalled > STALL_LIMIT:
        wrong.append(f"the event loop stood still for {signs.stalled:.0f} s")
    return wrong


def not_ready(signs: Signs) -> list[str]:
    """Why there is no point in asking the bot for something."""
    wrong = not_alive(signs)
    if signs.store:
        wrong.append(f"the state cannot be used: {signs.store}")
    if signs.waiting:
        wrong.append(signs.waiting)
    elif not signs.logged_in:
        wrong.append("not logged in to the homeserver")
    elif not signs.caught_up:
        wrong.append("what was said while the bot was away is still being read")
    return wrong


class Pulse:
    """Feels for the signs."""

    def __init__(
        self,
        flaw: Callable[[], Coroutine[Any, Any, str]],
        clock: Clock,
        waiting: Callable[[], str] = str,
    ) -> None:
        self.session: Session | None = None
        """Set once the bot is logged in."""
        self._flaw = flaw
        """What is wrong with the state, "" for nothing; may take for ever."""
        self._waiting = waiting
        """What is waited for, "" for nothing."""
        self._probe: asyncio.Task[str] | None = None
        self._clock = clock
        self._started = self._beat_at = clock.monotonic()
        self._stall, self._stall_at = 0.0, 0.0

    def begin(self) -> None:
        """From now on the rooms are to be read; nobody is logged in yet."""
        self.session, self._started = None, self._clock.monotonic()

    async def beat(self) -> None:
        """Notice when the event loop stands still, for ever."""
        while True:
            await self._clock.sleep(_BEAT)
            self._feel()
            self._beat_at = self._clock.monotonic()

    async def signs(self) -> Signs:
        """How things are now."""
        self._feel()
        now, session = self._clock.monotonic(), self.session
        return Signs(
            logged_in=session is not None,
            caught_up=session is not None and session.caught_up.is_set(),
            synced=now - (session.read_at if session else self._started),
            stalled=self._stall if now - self._stall_at < _REMEMBERED else 0.0,
            store=await self._store(),
            waiting=self._waiting(),
        )

    def _feel(self) -> None:
        now = self._clock.monotonic()
        late = now - self._beat_at - _BEAT
        if late > STALL_LIMIT:
            self._stall, self._stall_at = late, now

    async def _store(self) -> str:
        if self._probe is None:
            self._probe = asyncio.create_task(self._flaw(), name="probe the state")
        probe = self._probe
        await asyncio.wait({probe}, timeout=STORE_LIMIT)
        if not probe.done():
            return f"it did not answer within {STORE_LIMIT:.0f} s"
        self._probe = None
        return probe.result()
