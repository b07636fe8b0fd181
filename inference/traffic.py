"""What became of the requests of the last minute. In memory alone, and never much of it."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from domain.usage import Fault, Served

WINDOW = 60
"""Seconds that are remembered."""

TIMED_IN_A_SECOND = 64
"""Requests of each second whose time to the first token is kept; of more only the number is."""

_MOST_SERVICES = 1000


@dataclass(frozen=True, slots=True)
class Traffic:
    """What was asked of a service in the last minute."""

    requests: int
    """That ended, however they ended."""
    faults: tuple[tuple[Fault, int], ...] = ()
    """Why some were not answered whole, the most frequent first."""
    first_token: tuple[float, float] | None = None
    """Seconds from asking to the first token: the median, and what 95 of 100 stay within."""
    completion_tokens: int = 0
    tokens_per_second: float | None = None
    """Of one answer after its first token, on average over all tokens; None where none followed."""


@dataclass(slots=True)
class _Second:
    """All that is kept of one second."""

    at: int
    requests: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    first_tokens: list[float] = field(default_factory=list)
    tokens: int = 0
    later_tokens: int = 0
    """Those after the first of each answer that was timed, and the seconds that they took."""
    took: float = 0.0

    def note(self, served: Served) -> None:
        self.requests += 1
        if served.fault is not None:
            self.faults[served.fault] += 1
        first, tokens = served.first_token, served.completion_tokens or 0
        self.tokens += tokens
        if first is None:
            return
        if len(self.first_tokens) < TIMED_IN_A_SECOND:
            self.first_tokens.append(first)
        if tokens > 1 and served.seconds > first:
            self.later_tokens += tokens - 1
            self.took += served.seconds - first


class Window:
    """The last minute, service by service."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._seconds: dict[str, deque[_Second]] = {}

    def note(self, served: Served) -> None:
        """Count a request that has just ended: for whoever answered, or else what was asked for."""
        service, now = served.backend or served.model, int(self._monotonic())
        seconds = self._seconds.get(service)
        if seconds is None:
            if len(self._seconds) >= _MOST_SERVICES:
                self._forget(now)
            if len(self._seconds) >= _MOST_SERVICES:
                return
            seconds = self._seconds[service] = deque(maxlen=WINDOW)
        if not seconds or seconds[-1].at != now:
            seconds.append(_Second(now))
        seconds[-1].note(served)

    def lately(self, service: str) -> Traffic | None:
        """What was asked of a service in the last minute; None for nothing."""
        since = int(self._monotonic()) - WINDOW
        lately = [each for each in self._seconds.get(service, ()) if each.at > since]
        return _summed_up(lately) if lately else None

    def _forget(self, now: int) -> None:
        """Make room: let go of services that nobody asked for a minute."""
        kept = {name: s for name, s in self._seconds.items() if s[-1].at > now - WINDOW}
        self._seconds = kept


def nothing(service: str) -> Traffic | None:
    """Where nothing is measured."""
    return None


def _summed_up(seconds: Sequence[_Second]) -> Traffic:
    faults = sum((each.faults for each in seconds), Counter[Fault]())
    firsts = sorted(first for each in seconds for first in each.first_tokens)
    later, took = sum(s.later_tokens for s in seconds), sum(s.took for s in seconds)
    return Traffic(
        requests=sum(each.requests for each in seconds),
        faults=tuple(faults.most_common()),
        first_token=(percentile(firsts, 50), percentile(firsts, 95)) if firsts else None,
        completion_tokens=sum(each.tokens for each in seconds),
        tokens_per_second=later / took if took else None,
    )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest of the values, which are in order, that so many of a hundred do not exceed.

    Nearest rank: https://en.wikipedia.org/wiki/Percentile#The_nearest-rank_method.
    """
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(rank, 1) - 1]
