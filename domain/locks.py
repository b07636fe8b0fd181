"""Locks: what somebody wants left alone for a while. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Lock:
    """One thing that only its holder, and the bot's own repairs, may change."""

    scope: str
    """What people call it: a service, a target, `all of ENVIRONMENT`. There is one lock of each."""
    service: str | None
    targets: tuple[str, ...]
    """What it covers besides: everything that runs, or is to run, on one of these."""
    holder: str
    reason: str
    since: datetime
    until: datetime | None
    """None for one that is there until somebody takes it away."""
    room: str | None = None
    """Where it was taken: who holds it is told there if somebody takes it over. None for locks of
    older releases."""

    def covers(self, service: str, targets: Collection[str]) -> bool:
        """Whether a change to a service, on these targets, touches it."""
        return service == self.service or not set(self.targets).isdisjoint(targets)

    def __str__(self) -> str:
        until = f" until {told_at(self.until)}" if self.until else ""
        why = f": {self.reason}" if self.reason else ""
        return f"{self.scope} is locked by {self.holder} since {told_at(self.since)}{until}{why}"


def in_the_way(
    locks: Iterable[Lock], service: str, targets: Collection[str], asker: str
) -> Lock | None:
    """The first lock that a change touches and that is not the asker's own."""
    others = (lock for lock in locks if lock.holder != asker)
    return next((lock for lock in others if lock.covers(service, targets)), None)


def told_at(moment: datetime) -> str:
    """`26 Nov 14:28 UTC`."""
    return moment.strftime("%d %b %H:%M UTC")
