"""What became of the requests around a fault. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

STALLED = 0.6
"""Seconds of waiting for something that takes 20 ms: whoever waits so long asked the lost one."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One request; times in seconds from the first one."""

    at: float
    seconds: float
    first: float | None
    """Until the first content of a stream."""
    good: bool

    @property
    def waited(self) -> float:
        """Until something came, or until the end where nothing did."""
        return self.seconds if self.first is None else self.first


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a gateway did with one fault."""

    asked: int
    failed: int
    """Without anything having come: a client learned of the fault in place of an answer."""
    broken: int
    """Streams that ended after content had come, which nobody can mend."""
    longest: float
    """Seconds that anybody waited for something to come."""
    out_after: float
    """Seconds from the fault until the last request was put to the lost one, going by who stalled
    or failed."""
    back: float
    """The share of requests that it got again at the end; a third is its due."""


def outcomes(rows: Sequence[Sequence[Any]]) -> list[Outcome]:
    """As `bench.gateway.load` tells them."""
    return [Outcome(at, seconds, first, good) for at, seconds, first, _, good in rows]


def verdict(found: Sequence[Outcome], fault: float, until: float, back: float) -> Verdict:
    """For a fault that lasted from `fault` to `until`."""
    bad = [each for each in found if not each.good]
    touched = [
        each.at - fault
        for each in found
        if fault <= each.at < until and (not each.good or each.waited > STALLED)
    ]
    return Verdict(
        asked=len(found),
        failed=sum(each.first is None for each in bad),
        broken=sum(each.first is not None for each in bad),
        longest=max(each.waited for each in found),
        out_after=max(touched, default=0.0),
        back=back,
    )
