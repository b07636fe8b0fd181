"""What happened to a replica that was not asked for: told in a line, as it happens."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from domain.replicas import ReplicaId


class Kind(StrEnum):
    """What kind of thing happened."""

    ENDED = "ended"
    """Its process ended by itself, whatever of."""
    OUT_OF_MEMORY = "out-of-memory"
    """The kernel ended it, or a process in it, for the memory that took."""
    RESTART_LOOP = "restart-loop"
    """It ends again and again, and is started again each time."""
    STOPPED = "stopped"
    """Somebody ended it, and that was not us."""
    UNHEALTHY = "unhealthy"
    """Its own health check fails, after it had been well. It may get well again."""
    RECOVERED = "recovered"
    """It is well again."""
    GPU_LOST = "gpu-lost"
    """It runs, and has no graphics card any more."""


_FOR_A_PERSON = {Kind.OUT_OF_MEMORY, Kind.RESTART_LOOP}
_BY_ITSELF = {Kind.OUT_OF_MEMORY, Kind.GPU_LOST}


@dataclass(frozen=True, slots=True)
class Incident:
    """One thing that happened to one replica."""

    id: str
    """The same each time it is told, and of no other: it is said once."""
    kind: Kind
    replica: ReplicaId
    target: str
    at: datetime
    text: str
    """Goes on where the replica's name ends: `ended (exit code 3), and is started again`."""
    failure: str = ""
    """Its class, of `domain/failure_classes.py`; "" for what is no failure."""
    advice: str = ""
    evidence: tuple[str, ...] = ()
    """The last lines it wrote by then, oldest first."""
    upto: datetime | None = None
    """Everything before that moment, and this, has been told by its target. None for what says
    nothing of other incidents."""

    @property
    def for_a_person(self) -> bool:
        """Whether it will hardly come right by itself."""
        return self.kind in _FOR_A_PERSON

    @property
    def by_itself(self) -> bool:
        """Whether no change to the service can be what did it."""
        return self.kind in _BY_ITSELF

    def __str__(self) -> str:
        told = f"{self.replica} on {self.target} {self.text}"
        return f"{told} [{self.failure}]" if self.failure else told


HOURLY = 6
"""Incidents of one service that are told within an hour."""

_HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much was told of each service lately. A service that flaps does not fill its room."""

    told: Mapping[str, tuple[datetime, ...]] = field(default_factory=dict)
    """Service -> when something of it was told, in the last hour."""

    def after(self, service: str, now: datetime) -> tuple[Allowance, int]:
        """With one more that wants to be told now: (what is told by then, how many more may be).

        Negative: this one may not be told. Zero: it may, and is the last for a while.
        """
        recent = tuple(each for each in self.told.get(service, ()) if now - each < _HOUR)
        left = HOURLY - len(recent) - 1
        if left >= 0:
            recent = (*recent, now)
        return replace(self, told={**self.told, service: recent}), left
