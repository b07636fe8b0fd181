"""Where a log goes on that was read before. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def unseen(told: Sequence[str], now: Sequence[str]) -> tuple[Sequence[str], bool]:
    """The lines of `now` that come after those told before, and whether the two join.

    Both are ends of one log, the second read later. Where they do not join, lines in between were
    missed, or it is another log by now: then all of `now` is unseen. A log that repeats itself
    joins in several places; the last is taken, so that nothing is told twice.
    """
    if not told:
        return now, True
    for end in range(len(now), 0, -1):
        known = min(end, len(told))
        if now[end - 1] == told[-1] and list(now[end - known : end]) == list(told[-known:]):
            return now[end:], True
    return now, False
