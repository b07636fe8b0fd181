"""One incarnation of a replica at the routing table, and the requests that are at it."""

from __future__ import annotations

import asyncio

from domain.backends import Manner
from domain.errors import Unreachable
from domain.replicas import ReplicaId


class Seat:
    """One incarnation of a replica at the table."""

    def __init__(self, url: str, capacity: int, manner: Manner) -> None:
        self.url = url
        self.capacity = capacity
        self.manner = manner
        self.in_flight = 0
        self.lists: tuple[str, ...] = ()
        self.draining: asyncio.Event | None = None
        """Set once there is nothing left to wait for; None while requests are welcome."""

    def enter(self) -> None:
        """One more request."""
        self.in_flight += 1

    def leave(self) -> None:
        """One less."""
        self.in_flight -= 1
        if not self.in_flight and self.draining is not None:
            self.draining.set()

    def empty_out(self) -> asyncio.Event:
        """Take nothing more; the event is set once there is nothing left to wait for."""
        if self.draining is None:
            self.draining = asyncio.Event()
            if not self.in_flight:
                self.draining.set()
        return self.draining

    def keep(self) -> None:
        """Call that off."""
        if self.draining is not None:
            self.draining.set()
            self.draining = None


class Lease:
    """One request at one incarnation of a replica."""

    __slots__ = ("_replica", "_seat")

    def __init__(self, seat: Seat | None, replica: ReplicaId) -> None:
        self._seat, self._replica = seat, replica

    def __enter__(self) -> None:
        if self._seat is None or self._seat.draining is not None:
            raise Unreachable(f"{self._replica} takes no requests")
        self._seat.enter()

    def __exit__(self, *why: object) -> None:
        if self._seat is not None:
            self._seat.leave()
