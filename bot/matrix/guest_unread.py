"""A room's events on their way to a reader: in order, sealed ones held until they open."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.matrix.guest_events import RoomEvent, is_sealed, room_event
from bot.matrix.inbound import Event

PATIENCE = 5.0
"""Seconds an event may hold up those after it while its key has not come."""

_REMEMBERED = 200
"""Events shown as unreadable whose keys are still welcome."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    event: Event
    until: float
    """When it is shown even if it cannot be read."""


class Unread:
    """What came and was not taken yet. `open` gives an event in clear, None without its key."""

    def __init__(self, open: Callable[[Event], Event | None]) -> None:  # noqa: A002 - as open()
        self._open = open
        self._waiting: deque[_Waiting] = deque()
        self._given_up: deque[Event] = deque(maxlen=_REMEMBERED)
        self._late: deque[Event] = deque()

    def add(self, events: Iterable[Event], now: float) -> None:
        """Put events behind those that are here already."""
        self._waiting += (_Waiting(event, now + PATIENCE) for event in events)

    def keys_came(self) -> None:
        """Try again what was shown as unreadable: what opens is shown once more, late."""
        for event in [*self._given_up]:
            opened = self._open(event)
            if opened is not None:
                self._given_up.remove(event)
                self._late.append(opened)

    def take(self, now: float) -> RoomEvent | None:
        """The next event to show; None when there is none, or while it waits for its key."""
        while self._late or self._waiting:
            source = self._late.popleft() if self._late else self._next(now)
            if source is None:
                return None
            event = room_event(source)
            if event is not None:
                return event
        return None

    def wait(self, now: float) -> float | None:
        """Seconds until `take` has more even if nothing comes; None if that would be never."""
        return max(0.0, self._waiting[0].until - now) if self._waiting else None

    def _next(self, now: float) -> Event | None:
        first = self._waiting[0]
        event = self._open(first.event) if is_sealed(first.event) else first.event
        if event is None:
            if now < first.until:
                return None
            event = first.event
            self._given_up.append(event)
        self._waiting.popleft()
        return event
