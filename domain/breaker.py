"""Whether a target is still worth asking: a circuit breaker. Pure.

States and their names: Michael Nygard, *Release It!*, 2nd edition (2018), chapter 5.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

FAILURES = 3
"""Looks in a row without an answer, after which a target is not asked for a while."""

FIRST_WAIT = 5.0
LONGEST_WAIT = 60.0
"""Seconds until it is asked again: twice as long after each time it did not answer."""


class State(StrEnum):
    """What the breaker lets through."""

    CLOSED = "closed"
    """Everything: the target answers, or has not failed often enough."""
    OPEN = "open"
    """Nothing."""
    HALF_OPEN = "half-open"
    """Nothing more: one look, the probe, is under way, and decides."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """How a target has answered lately, and what follows from that."""

    state: State = State.CLOSED
    failures: int = 0
    """Looks without an answer since the last one that had one."""
    since: datetime | None = None
    """When the first of them failed."""
    reason: str = ""
    """Why the last of them failed, in words for the room."""
    wait: float = 0.0
    """Seconds between the last failure and the next probe."""
    retry_at: float = 0.0
    """When the next probe may be made, by the monotonic clock, seconds."""

    @property
    def closed(self) -> bool:
        """Whether the target is taken to answer."""
        return self.state is State.CLOSED

    def lets_through(self, now: float) -> bool:
        """Whether a look may be made now. Whoever makes one says so by `probed`."""
        return self.closed or (self.state is State.OPEN and now >= self.retry_at)

    def probed(self) -> Breaker:
        """One look went through. Nothing else does until it is known how it ended."""
        return self if self.closed else replace(self, state=State.HALF_OPEN)

    def answered(self) -> Breaker:
        """The target answered: all is forgotten."""
        return Breaker()

    def failed(self, reason: str, at: datetime, now: float, *, certain: bool = False) -> Breaker:
        """It did not, at that wall time and that monotonic one; once is enough if it is certain.

        A failure that comes in late, when the breaker is open already, says nothing new.
        """
        if self.state is State.OPEN:
            return self
        told = replace(
            self, failures=self.failures + 1, since=self.since or at, reason=reason or self.reason
        )
        if self.closed and told.failures < FAILURES and not certain:
            return told
        wait = min(LONGEST_WAIT, 2 * self.wait) if self.wait else FIRST_WAIT
        return replace(told, state=State.OPEN, wait=wait, retry_at=now + wait)

    def hurried(self, now: float) -> Breaker:
        """The same, with the next look let through whatever was seen before."""
        return self if self.closed else replace(self, state=State.OPEN, retry_at=now)
