"""How soon an answer began and how fast it went on."""

from __future__ import annotations

from domain.clock import Clock


class Pace:
    """Times one answer, from the moment it is asked for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked = clock.monotonic()
        self._first: float | None = None
        self.pieces = 0
        """Pieces heard so far, about one a token."""

    def heard(self) -> None:
        """Another piece has just come."""
        if self._first is None:
            self._first = self._clock.monotonic()
        self.pieces += 1

    @property
    def first_token(self) -> float:
        """Seconds from asking to the first piece, or until now where none has come."""
        first = self._clock.monotonic() if self._first is None else self._first
        return first - self._asked

    def tokens_per_second(self, tokens: int) -> float | None:
        """The speed since the first of so many tokens; None where none followed it."""
        if self._first is None:
            return None
        took = self._clock.monotonic() - self._first
        return (tokens - 1) / took if tokens > 1 and took > 0 else None
