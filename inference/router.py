"""Chooses whom to ask, one after the other, and waits for those who are not ready yet."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress

from domain.errors import Unreachable
from domain.routes import Route
from inference.endpoints import Endpoint, Endpoints, Incarnation
from inference.goals import Goal, goal, unknown_model
from inference.health import Health
from inference.outlook import Outlook
from inference.patience import Patience
from inference.routing import Rank, order, ranking
from inference.seats import Lease

HELD_AT_MOST = 256
"""Requests that may wait for one service to get ready."""


class NotReady(Unreachable):
    """The name is known, but nobody who goes by it can be asked just now."""

    def __init__(self, summary: str, hint: str = "", retry_after: int = 5) -> None:
        super().__init__(summary, hint)
        self.retry_after = retry_after
        """Seconds after which it makes sense to ask again."""


class Router:
    """Reads the routing table and what is known of everybody's health; keeps nothing itself."""

    def __init__(
        self,
        endpoints: Endpoints,
        health: Health,
        rng: random.Random,
        *,
        routes: Mapping[str, Route] | None = None,
        near: Collection[str] = (),
        hold: float = 30.0,
    ) -> None:
        self._endpoints = endpoints
        self._rng = rng
        self._near = near
        self._hold = hold
        self.health = health
        self.routes = routes or {}

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that can be asked for: services, ready or not, backends and routes."""
        return tuple(sorted({*self._endpoints.known, *self.routes}))

    @property
    def offered(self) -> tuple[str, ...]:
        """The same, and behind each backend that has several models the names of these."""
        names = list(self.names)
        for endpoint in self._endpoints.foreign():
            inside = [name for name, _ in endpoint.manner.models] or list(endpoint.lists)
            if len(inside) > 1:
                names += [f"{endpoint.service}/{name}" for name in inside]
        return tuple(sorted(names))

    def goal(self, model: str, pin: str | None = None) -> Goal:
        """What a name leads to. Raises UnknownName."""
        found = goal(model, pin, self._endpoints.known, self.routes)
        if found.model is not None and pin is None and not self._endpoints.taken(found.members[0]):
            raise unknown_model(model, self.names)
        if found.model is not None:
            for endpoint in self._endpoints.of(found.members[0]):
                offered = [name for name, _ in endpoint.manner.models]
                if offered and not endpoint.ours and found.model not in offered:
                    raise unknown_model(model, [f"{endpoint.service}/{name}" for name in offered])
        return found

    def choose(
        self, goal: Goal, tried: Collection[Incarnation], affinity: str | None = None
    ) -> Endpoint | None:
        """The best one that was not tried yet, if there is any."""
        fit = self._untried(goal, tried)
        if len(fit) < 2:
            return fit[0] if fit else None
        route = goal.route
        first = route.drawn(self._rng.random()) if route and not tried else None
        rank = self._rank(fit, route, first)
        return order(fit, exclude=(), rng=self._rng, rank=rank, affinity=affinity)[0]

    @property
    def outlook(self) -> Outlook:
        """How those who can be asked stand."""
        return Outlook(self._endpoints, self.health, self.routes, self.in_order)

    def in_order(self, goal: Goal) -> list[Endpoint]:
        """Everybody who may be asked now, best first: as `choose` would, lots aside."""
        fit = self._untried(goal, ())
        rank = self._rank(fit, goal.route, None)
        return sorted(fit, key=lambda endpoint: (rank(endpoint), endpoint.load))

    async def ready(self, goal: Goal, tried: Collection[Incarnation]) -> bool:
        """Wait until there is somebody to choose, for as long as requests are held.

        False when there is still nobody, and at once where only backends could be: nothing here
        brings them back. Raises NotReady when waiting makes no sense: everything is stopped, or
        too many wait already.
        """
        services = [name for name in goal.members if not self._endpoints.taken(name)]
        wanted = [name for name in services if self._endpoints.expected(name)]
        if not wanted and len(services) < len(goal.members):
            return False
        if not wanted:
            raise NotReady(
                f"{goal.asked} is stopped", f"`!scale {goal.members[0]} 1` starts it", 30
            )
        if max(self._endpoints.waiting(name) for name in wanted) >= HELD_AT_MOST:
            raise NotReady(f"{HELD_AT_MOST} requests wait for {goal.asked} already")
        with suppress(TimeoutError):
            async with asyncio.timeout(self._hold):
                while not self._untried(goal, tried):
                    await self._endpoints.admission(goal.members)
                    if not any(self._endpoints.expected(name) for name in services):
                        raise NotReady(f"{goal.asked} was stopped or removed", retry_after=30)
        return bool(self._untried(goal, tried))

    def soonest(self, goal: Goal) -> float | None:
        """Seconds after which the first of those who may be asked would like to be; None when one
        of them does not mind now, or there is none."""
        return self.health.cooling.soonest(self._untried(goal, ()))

    def leased(self, goal: Goal, endpoint: Endpoint, patience: Patience) -> Visit:
        """The endpoint has one more to answer, for as long as the context lasts."""
        lease = self._endpoints.lease(endpoint.replica, target=endpoint.target)
        return Visit(self, goal, endpoint, patience, lease)

    def others(self, goal: Goal, endpoint: Endpoint) -> Collection[Endpoint]:
        """Whom else a request may be put to than that one."""
        return self._untried(goal, (endpoint.incarnation,))

    def _rank(
        self, fit: Collection[Endpoint], route: Route | None, first: str | None
    ) -> Callable[[Endpoint], Rank]:
        return ranking(
            sick=self.health.sick(fit),
            cooling=self.health.cooling.places(fit),
            near=self._near,
            route=route,
            first=first,
        )

    def _untried(self, goal: Goal, tried: Collection[Incarnation]) -> list[Endpoint]:
        return [
            endpoint
            for name in goal.members
            for endpoint in self._endpoints.of(name)
            if endpoint.admitted
            and endpoint.incarnation not in tried
            and goal.replica in (None, endpoint.replica)
        ]


class Visit:
    """One request at one endpoint: counted there, and told when it should be put elsewhere.

    Entered for every request, and therefore no generator. Raises Unreachable if the endpoint
    drains or is gone.
    """

    __slots__ = ("_goal", "_lease", "_router", "endpoint", "patience")

    def __init__(
        self, router: Router, goal: Goal, endpoint: Endpoint, patience: Patience, lease: Lease
    ) -> None:
        self._router, self._goal, self._lease = router, goal, lease
        self.endpoint, self.patience = endpoint, patience

    def __enter__(self) -> None:
        self._lease.__enter__()
        self._router.health.begin(self)

    def __exit__(self, *why: object) -> None:
        self._router.health.end(self)
        self._lease.__exit__()

    def others(self) -> Collection[Endpoint]:
        """See `inference.health.Waiter`."""
        return self._router.others(self._goal, self.endpoint)


def model_there(goal: Goal, endpoint: Endpoint) -> str:
    """What the model is called at an endpoint."""
    if endpoint.ours:
        return endpoint.model
    models = dict(endpoint.manner.models)
    if goal.model is not None:
        return models.get(goal.model, goal.model)
    return next(iter([*models.values(), *endpoint.lists]), "")
