"""The routing table: which replicas may be asked, and how busy each one is. Memory only."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from domain.errors import Unreachable
from domain.replicas import ReplicaId

Place = tuple[str, ReplicaId]
"""A target and a replica on it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A replica as the table knew it at one moment."""

    service: str
    replica: ReplicaId
    target: str
    """Where it runs: on two targets, replicas of one revision go by the same name."""
    url: str
    """Base URL of its OpenAI-compatible API, without `/v1`."""
    capacity: int
    """Requests it answers at once without making any of them wait; at least 1."""
    in_flight: int
    admitted: bool
    """False while it drains: it finishes what it has and gets nothing new."""

    @property
    def place(self) -> Place:
        """What tells it from every other endpoint."""
        return self.target, self.replica

    @property
    def load(self) -> float:
        """0 when idle, 1 when full, more when requests wait."""
        return self.in_flight / self.capacity


class Endpoints:
    """Who may be asked. The rollout admits and drains, the keeper withdraws, requests lease."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[Place, _Seat]] = {}
        """Service -> its seats: what is asked of one does not depend on how many there are."""

    def admit(self, replica: ReplicaId, url: str, *, target: str = "", capacity: int = 4) -> None:
        """Let requests reach a replica. Safe to repeat, and calls off a drain under way.

        The same replica at another URL is a new incarnation, with nothing in flight. Raises
        ValueError for a capacity below 1.
        """
        if capacity < 1:
            raise ValueError(f"a capacity of {capacity} would admit nothing")
        seats = self._tables.setdefault(replica.service, {})
        place = (target, replica)
        seat = seats.get(place)
        if seat is not None and seat.url == url:
            seat.capacity = capacity
            seat.keep()
            return
        if seat is not None:
            seat.keep()
        seats[place] = _Seat(url, capacity)

    async def drain(self, replica: ReplicaId, timeout: float, *, target: str = "") -> int:
        """Send a replica nothing new, wait until it is idle, then remove it.

        Waits at most `timeout` seconds and returns how many answers were still running then.
        Returns 0 for an unknown replica, and for one admitted again or withdrawn meanwhile.
        A cancelled drain leaves the replica draining.
        """
        seat = self._seat(target, replica)
        if seat is None:
            return 0
        over = seat.empty_out()
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await over.wait()
        if self._seat(target, replica) is not seat or seat.draining is not over:
            return 0
        self.withdraw(replica, target=target)
        return seat.in_flight

    def withdraw(self, replica: ReplicaId, *, target: str = "") -> None:
        """Forget a replica at once: it is dead. Leases on it end without being counted again."""
        seats = self._tables.get(replica.service, {})
        seat = seats.pop((target, replica), None)
        if seat is not None:
            seat.keep()
        if not seats:
            self._tables.pop(replica.service, None)

    def of(self, service: str) -> tuple[Endpoint, ...]:
        """A service's endpoints in order of their targets and replicas, draining ones included."""
        seats = self._tables.get(service, {})
        return tuple(seats[place].seen_as(place) for place in sorted(seats))

    def in_flight(self, service: str) -> dict[Place, int]:
        """How many requests each of a service's replicas is answering."""
        return {place: seat.in_flight for place, seat in self._tables.get(service, {}).items()}

    def services(self) -> frozenset[str]:
        """The services that can be asked now."""
        return frozenset(
            service
            for service, seats in self._tables.items()
            if any(seat.draining is None for seat in seats.values())
        )

    @contextmanager
    def lease(self, replica: ReplicaId, *, target: str = "") -> Iterator[Endpoint]:
        """Count one request as in flight for as long as the context lasts, however it ends.

        The count belongs to the incarnation that was leased: one admitted after a withdrawal
        never hears of it. Raises Unreachable if the replica drains or is gone.
        """
        seat = self._seat(target, replica)
        if seat is None or seat.draining is not None:
            raise Unreachable(f"{replica} takes no requests")
        seat.enter()
        try:
            yield seat.seen_as((target, replica))
        finally:
            seat.leave()

    def _seat(self, target: str, replica: ReplicaId) -> _Seat | None:
        return self._tables.get(replica.service, {}).get((target, replica))


class _Seat:
    """One incarnation of a replica at the table."""

    def __init__(self, url: str, capacity: int) -> None:
        self.url = url
        self.capacity = capacity
        self.in_flight = 0
        self.draining: asyncio.Event | None = None
        """Set once there is nothing left to wait for; None while requests are welcome."""

    def enter(self) -> None:
        self.in_flight += 1

    def leave(self) -> None:
        self.in_flight -= 1
        if not self.in_flight and self.draining is not None:
            self.draining.set()

    def empty_out(self) -> asyncio.Event:
        if self.draining is None:
            self.draining = asyncio.Event()
            if not self.in_flight:
                self.draining.set()
        return self.draining

    def keep(self) -> None:
        if self.draining is not None:
            self.draining.set()
            self.draining = None

    def seen_as(self, place: Place) -> Endpoint:
        target, replica = place
        return Endpoint(
            replica.service,
            replica,
            target,
            self.url,
            self.capacity,
            self.in_flight,
            admitted=self.draining is None,
        )
