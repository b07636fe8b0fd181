"""How long a replica that starts is waited for: as long as it gets anywhere."""

from __future__ import annotations

from domain.clock import Clock

_BUDGETS_IN_ALL = 10
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.01, 0.5
_SHARE = 0.02


class Patience:
    """Runs out a budget after the last sign of progress, and ten budgets after the first."""

    def __init__(self, budget: float, clock: Clock) -> None:
        self._budget, self._clock = budget, clock
        self._begun = self._moved = clock.monotonic()
        self._sign: object = None

    def sees(self, sign: object) -> None:
        """Note how far things are; anything but the same again is progress."""
        if sign != self._sign:
            self._sign, self._moved = sign, self._clock.monotonic()

    @property
    def spent(self) -> float:
        """Seconds since the beginning."""
        return self._clock.monotonic() - self._begun

    @property
    def pause(self) -> float:
        """Seconds until it is worth asking again: a fiftieth of what was waited for already.

        So asking late costs one that starts in a moment no more than one that takes a minute.
        """
        return min(max(self.spent * _SHARE, _SHORTEST_PAUSE), _LONGEST_PAUSE)

    @property
    def over(self) -> bool:
        """True when nothing is left of it."""
        idle = self._clock.monotonic() - self._moved
        return idle > self._budget or self.spent > self._budget * _BUDGETS_IN_ALL
