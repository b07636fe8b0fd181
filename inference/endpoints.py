"""The routing table: which replicas may be asked, and how busy each one is. Memory only."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from domain.backends import Backend, Manner
from domain.replicas import ReplicaId
from inference.expecting import Expecting, Names
from inference.seats import Lease, Seat

Place = tuple[str, ReplicaId]
"""A target and a replica on it."""

Incarnation = tuple[str, ReplicaId, str]
"""A place, and the URL of whoever is there."""

OURS = Manner()

LISTED_AT_MOST = 1000
"""Models of one server that are remembered."""

FOREIGN = "foreign"
"""The revision of a backend that is not ours to run: it has one place, on no target."""


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
    manner: Manner = OURS
    lists: tuple[str, ...] = ()
    """The models that a server which is not ours said it has, in its order, once it was asked."""

    @property
    def place(self) -> Place:
        """What tells it from every other endpoint."""
        return self.target, self.replica

    @property
    def incarnation(self) -> Incarnation:
        """What tells it from a later one at the same place."""
        return *self.place, self.url

    @property
    def ours(self) -> bool:
        """Whether it is a replica of a service, not a backend that somebody else runs."""
        return self.replica.revision != FOREIGN

    @property
    def model(self) -> str:
        """What a replica calls its model: like the service, unless it said another."""
        return dict(self.manner.models).get(self.service, self.service)

    @property
    def load(self) -> float:
        """0 when idle, 1 when full, more when requests wait."""
        return self.in_flight / self.capacity


class Endpoints:
    """Who may be asked. The rollout admits and drains, the keeper withdraws, requests lease."""

    def __init__(self) -> None:
        self._tables: dict[str, dict[Place, Seat]] = {}
        """Service -> its seats, in order: what is asked of one does not depend on how many there
        are."""
        self._expecting = Expecting()
        self._known = Names(self._expecting.services, self._tables)
        self._backends: dict[str, Backend] = {}
        self._taken: set[str] = set()

    def expect(self, service: str, replicas: int) -> None:
        """Know that a service should have so many replicas, though none may be ready yet."""
        self._expecting.expect(service, replicas)

    def forget(self, service: str) -> None:
        """A service is no more. Whoever waits for it goes on at once."""
        self._expecting.forget(service)

    def expected(self, service: str) -> int | None:
        """How many replicas a service should have; None for one that is not known."""
        there = self._tables.get(service)
        return self._expecting.services.get(service, len(there) if there else None)

    @property
    def known(self) -> Collection[str]:
        """Every service that should run or does, ready or not, and every backend, by name."""
        return self._known

    async def admission(self, services: Collection[str]) -> None:
        """Wait until a replica of one of the services is admitted, or one of them is forgotten."""
        await self._expecting.news(services)

    def waiting(self, service: str) -> int:
        """How many wait for a replica of a service."""
        return self._expecting.waiting(service)

    def take(self, names: Collection[str]) -> None:
        """Keep names for routes: no service may go by them."""
        self._taken.update(names)

    def taken(self, name: str) -> bool:
        """Whether a name is that of a route or of a backend that is not ours to run."""
        return name in self._taken or name in self._backends

    def admit_backend(self, backend: Backend) -> None:
        """Let requests reach a server that is not ours to run."""
        self.expect(backend.name, 1)
        self._backends[backend.name] = backend
        replica = ReplicaId(backend.name, FOREIGN, 0)
        self.admit(replica, backend.url, capacity=backend.capacity, manner=backend.manner)

    def admit(
        self,
        replica: ReplicaId,
        url: str,
        *,
        target: str = "",
        capacity: int = 4,
        manner: Manner = OURS,
    ) -> None:
        """Let requests reach a replica. Safe to repeat, and calls off a drain under way.

        The same replica at another URL is a new incarnation, with nothing in flight. Raises
        ValueError for a capacity below 1.
        """
        if capacity < 1:
            raise ValueError(f"a capacity of {capacity} would admit nothing")
        seats = self._tables.get(replica.service, {})
        place = (target, replica)
        seat = seats.get(place)
        if seat is not None and seat.url == url:
            seat.capacity, seat.manner = capacity, manner
            seat.keep()
        else:
            if seat is not None:
                seat.keep()
            there = {**seats, place: Seat(url, capacity, manner)}
            self._tables[replica.service] = {place: there[place] for place in sorted(there)}
        self._expecting.tell(replica.service)

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
        return tuple([_seen(place, seat) for place, seat in seats.items()])

    def still(self, incarnation: Incarnation) -> Endpoint | None:
        """The endpoint, if it is still in the table as that incarnation."""
        target, replica, url = incarnation
        seat = self._seat(target, replica)
        return _seen((target, replica), seat) if seat is not None and seat.url == url else None

    def lists(self, endpoint: Endpoint, models: Iterable[str]) -> None:
        """A server that is not ours said which models it has."""
        seat = self._seat(*endpoint.place)
        if seat is not None and seat.url == endpoint.url and not endpoint.ours:
            seat.lists = tuple(islice(models, LISTED_AT_MOST))

    @property
    def backends(self) -> Mapping[str, Backend]:
        """Those that are not ours to run, by name, as they were configured."""
        return self._backends

    def foreign(self) -> Iterator[Endpoint]:
        """Their endpoints."""
        for name in self._backends:
            yield from self.of(name)

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

    def lease(self, replica: ReplicaId, *, target: str = "") -> Lease:
        """Count one request as in flight for as long as the context lasts, however it ends.

        The count belongs to the incarnation that was leased: one admitted after a withdrawal
        never hears of it. Entering raises Unreachable if the replica drains or is gone.
        """
        return Lease(self._seat(target, replica), replica)

    def _seat(self, target: str, replica: ReplicaId) -> Seat | None:
        return self._tables.get(replica.service, {}).get((target, replica))


def _seen(place: Place, seat: Seat) -> Endpoint:
    """A seat as it is at this moment."""
    target, replica = place
    return Endpoint(
        replica.service,
        replica,
        target,
        seat.url,
        seat.capacity,
        seat.in_flight,
        seat.draining is None,
        seat.manner,
        seat.lists,
    )
