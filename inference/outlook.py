"""How those who are asked stand, for people who look: what is in memory alone, nobody is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from domain.backends import Backend, Kind
from domain.breaker import Breaker
from domain.routes import Route
from inference.endpoints import Endpoint, Endpoints, Place
from inference.goals import Goal
from inference.health import Health

InOrder = Callable[[Goal], Sequence[Endpoint]]
"""Everybody a goal leads to who may be asked now, best first, lots aside."""


@dataclass(frozen=True, slots=True)
class Condition:
    """How one of them answers."""

    breaker: Breaker = Breaker()  # noqa: RUF009 - frozen, and the same for all
    cooling: float = 0.0
    """Seconds for which it asked to be left alone."""

    @property
    def well(self) -> bool:
        """Whether it is asked like any other."""
        return self.breaker.closed and not self.cooling


@dataclass(frozen=True, slots=True)
class BackendView:
    """A model server that is not ours to run. Neither its address nor its key is in it."""

    name: str
    kind: Kind
    models: tuple[str, ...]
    """What its models are called here; empty where whatever it lists itself can be asked for."""
    in_flight: int
    capacity: int
    condition: Condition


@dataclass(frozen=True, slots=True)
class MemberView:
    """A service or a backend, as part of a route."""

    name: str
    weight: int
    """Of a hundred requests, so many are put to it first."""
    kind: Kind | None
    """None for a service."""
    expected: int | None
    """Replicas it should have; None where there is no such service, or backend."""
    conditions: tuple[Condition, ...]
    """Of each endpoint that takes requests."""
    in_flight: int


@dataclass(frozen=True, slots=True)
class RouteView:
    """A name behind which several stand."""

    name: str
    as_listed: bool
    members: tuple[MemberView, ...]
    """As they are listed."""
    next: tuple[str, ...]
    """Those who can be asked now, in the order in which they would be, lots aside."""


class Outlook:
    """Reads the routing table and what is known of everybody's health."""

    def __init__(
        self,
        endpoints: Endpoints,
        health: Health,
        routes: Mapping[str, Route],
        in_order: InOrder,
    ) -> None:
        self._endpoints = endpoints
        self._health = health
        self._routes = routes
        self._in_order = in_order

    @property
    def routes(self) -> tuple[str, ...]:
        """All there are, by name."""
        return tuple(sorted(self._routes))

    def backends(self) -> tuple[BackendView, ...]:
        """All there are, in order of their names."""
        every = self._endpoints.backends
        return tuple(self._backend(every[name]) for name in sorted(every))

    def backend(self, name: str) -> BackendView | None:
        """One of them; None if there is none of that name."""
        found = self._endpoints.backends.get(name)
        return self._backend(found) if found else None

    def route(self, name: str) -> RouteView | None:
        """A route, its members, and who would be asked; None if there is none of that name."""
        found = self._routes.get(name)
        if found is None:
            return None
        asked = self._in_order(Goal(name, found.names, found))
        members = tuple(self._member(member.name, member.weight) for member in found.members)
        order = tuple(dict.fromkeys(endpoint.service for endpoint in asked))
        return RouteView(name, found.as_listed, members, order)

    def unwell(self, service: str) -> dict[Place, Condition]:
        """The replicas of a service that are not asked like the others."""
        each = {e.place: self.condition(e) for e in self._endpoints.of(service)}
        return {place: condition for place, condition in each.items() if not condition.well}

    def condition(self, endpoint: Endpoint) -> Condition:
        """How one answers."""
        return Condition(self._health.breaker(endpoint), self._health.cooling.left(endpoint))

    def _backend(self, backend: Backend) -> BackendView:
        (seat,) = self._endpoints.of(backend.name) or (None,)
        return BackendView(
            backend.name,
            backend.kind,
            tuple(name for name, _ in backend.models),
            seat.in_flight if seat else 0,
            backend.capacity,
            self.condition(seat) if seat else Condition(),
        )

    def _member(self, name: str, weight: int) -> MemberView:
        backend, seats = self._endpoints.backends.get(name), self._endpoints.of(name)
        return MemberView(
            name,
            weight,
            backend.kind if backend else None,
            self._endpoints.expected(name),
            tuple(self.condition(seat) for seat in seats if seat.admitted),
            sum(seat.in_flight for seat in seats),
        )
