"""From an engine's events to what happened to a replica. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from deployers.docker.container import REPLICA
from domain.incidents import Kind
from domain.replicas import ReplicaId

HEARD = ("start", "kill", "oom", "die", "health_status")
"""The actions that tell something (Docker Engine API 1.41, `GET /events`)."""

WINDOW = timedelta(minutes=10)
LOOP = 3
"""So many deaths within the window are a loop."""
REMINDER = timedelta(hours=1)
"""A loop that goes on is told again that much later."""
BREATH = timedelta(minutes=1)
"""A kernel that is short of memory ends several processes at once: that is one incident."""

_ENDING_SIGNALS = {2, 3, 6, 9, 15}


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one replica's container."""

    container: str
    replica: ReplicaId
    action: str
    at: datetime
    nanoseconds: int
    """Of its moment, since the epoch: what it is told from others by."""
    exit_code: int | None = None
    signal: int | None = None
    healthy: bool | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """Something that may be worth telling."""

    kind: Kind
    event: Event
    deaths: int = 0
    """How often it ended within the window, this time included."""
    signal: int | None = None
    """What it was asked to end by."""


def event(raw: Mapping[str, Any]) -> Event | None:
    """Read one line of `GET /events`. None for what is no replica of ours, or of no interest."""
    about = (raw.get("Actor") or {}).get("Attributes") or {}
    action, _, detail = str(raw.get("Action") or raw.get("status") or "").partition(": ")
    try:
        replica = ReplicaId.parse(about[REPLICA])
    except (KeyError, ValueError):
        return None
    if action not in HEARD:
        return None
    nanoseconds = int(raw.get("timeNano") or int(raw["time"]) * 10**9)
    return Event(
        str(raw["Actor"]["ID"]),
        replica,
        action,
        datetime.fromtimestamp(nanoseconds // 1000 / 1e6, UTC),
        nanoseconds,
        _number(about.get("exitCode")),
        _number(about.get("signal")),
        {"healthy": True, "unhealthy": False}.get(detail),
    )


class Story:
    """What one container went through, as far as it was heard."""

    def __init__(self) -> None:
        self._signal: int | None = None
        self._starved: datetime | None = None
        self._deaths: list[datetime] = []
        self._loop_told: datetime | None = None
        self._well = False
        self._ill = False

    def hears(self, event: Event, *, ready: bool = False) -> Happening | None:
        """What is worth telling of one more event.

        `ready` says that this run of it has served: only then does it matter that its health
        check fails, since each begins with failing while a model loads.
        """
        match event.action:
            case "start":
                self._signal, self._well, self._ill = None, False, False
            case "kill" if event.signal in _ENDING_SIGNALS:
                self._signal = event.signal
            case "oom":
                return self._starves(event)
            case "die":
                return self._dies(event)
            case "health_status":
                return self._feels(event, ready)
        return None

    def _starves(self, event: Event) -> Happening | None:
        before, self._starved = self._starved, event.at
        if before is not None and event.at - before < BREATH:
            return None
        return Happening(Kind.OUT_OF_MEMORY, event)

    def _dies(self, event: Event) -> Happening | None:
        if self._signal is not None:
            return Happening(Kind.STOPPED, event, signal=self._signal)
        self._deaths = [each for each in self._deaths if event.at - each < WINDOW] + [event.at]
        count, starved = len(self._deaths), self._starved
        if count >= LOOP:
            if self._loop_told is not None and event.at - self._loop_told < REMINDER:
                return None
            self._loop_told = event.at
            return Happening(Kind.RESTART_LOOP, event, count)
        self._loop_told = None
        short = starved is not None and event.at - starved < BREATH
        return Happening(Kind.OUT_OF_MEMORY if short else Kind.ENDED, event, count)

    def starved(self, at: datetime) -> bool:
        """Whether the kernel was short of memory for it at about that time."""
        return self._starved is not None and abs(at - self._starved) < BREATH

    def _feels(self, event: Event, ready: bool) -> Happening | None:
        if event.healthy:
            recovered, self._ill, self._well = self._ill, False, True
            return Happening(Kind.RECOVERED, event) if recovered else None
        if event.healthy is None or self._ill or not (self._well or ready):
            return None
        self._ill = True
        return Happening(Kind.UNHEALTHY, event)


def _number(text: object) -> int | None:
    return int(text) if isinstance(text, str) and text.lstrip("-").isdigit() else None
