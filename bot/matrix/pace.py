"""How often progress may be shown, going by what the homeserver has refused. Pure."""

from __future__ import annotations

from dataclasses import dataclass

RECOVERY = 600.0
"""Seconds without a refusal after which edits may come twice as often again."""

_NEGLIGIBLE = 1.0
"""Seconds between edits that need not be kept apart: each operation holds itself back more."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The room there is for edits that only show progress: one allowance for all operations in
    all rooms, since homeservers limit the account.

    They take at most half of what the homeserver lets through (Synapse, by default: one event in
    5 s), so that there is always something left for what people wait for.
    """

    interval: float = 0.0
    """Seconds from one to the next when the homeserver last refused something."""
    refused_at: float = 0.0

    def refused(self, seconds: float, now: float) -> Pace:
        """The pace after the homeserver has asked for so many seconds of patience."""
        return Pace(max(2 * seconds, self.interval_at(now)), now)

    def interval_at(self, now: float) -> float:
        """Seconds from one to the next, at this moment."""
        halvings = min(int((now - self.refused_at) / RECOVERY), 60)
        interval = self.interval / 2**halvings
        return interval if interval > _NEGLIGIBLE else 0.0

    def wait(self, last: float, now: float) -> float:
        """Seconds until the next one may be sent, the last having been sent at that moment."""
        return max(0.0, last + self.interval_at(now) - now)
