"""How far a transfer is, told now and then. Pure but for the clock."""

from __future__ import annotations

from collections.abc import Callable

from domain.clock import Clock

Tell = Callable[[float | None, str], None]
"""(fraction, text): how far a transfer is."""

_EVERY = 0.5
_STEP = 0.05


class Transfer:
    """Counts bytes and says where it stands: every half second or twentieth, and at the end."""

    def __init__(self, size: int | None, had: int, clock: Clock) -> None:
        self.had = had
        self._size, self._count, self._clock = size, had, clock
        self._begun = self._told_at = clock.monotonic()
        self._told = 0.0

    def received(self, count: int) -> tuple[float | None, str] | None:
        """Count so many more bytes. (fraction, text) when it is time to tell."""
        self._count += count
        now = self._clock.monotonic()
        fraction = min(1.0, self._count / self._size) if self._size else None
        soon = now - self._told_at < _EVERY and (fraction or 0.0) - self._told < _STEP
        if soon and fraction != 1.0:
            return None
        self._told, self._told_at = fraction or 0.0, now
        return fraction, self._text(now)

    def _text(self, now: float) -> str:
        text = in_words(self._count)
        if self._size:
            text += f" of {in_words(self._size)}"
        if now > self._begun:
            text += f", {in_words((self._count - self.had) / (now - self._begun))}/s"
        return text


def in_words(count: float) -> str:
    """Bytes as people write them: `4.2 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"
