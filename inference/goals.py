"""What a name leads to: a service, a backend, one of its models, or a route. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from domain.errors import UnknownName, unknown_name
from domain.replicas import ReplicaId
from domain.routes import Route

MAX_NAME = 256
"""Characters of a model's name."""


def is_name(text: str) -> bool:
    """Whether a model could be called that."""
    return 0 < len(text) <= MAX_NAME and text.isprintable()


@dataclass(frozen=True, slots=True)
class Goal:
    """Whom a request may be put to."""

    asked: str
    """The name that was asked for."""
    members: tuple[str, ...]
    """Services and backends, in the order of the route; one where it was no route."""
    route: Route | None = None
    model: str | None = None
    """The model inside a backend, for `backend/model`."""
    replica: ReplicaId | None = None
    """The only one that may answer."""

    @property
    def name(self) -> str:
        """The route, service or backend: what keys are for, and what is counted. What clients
        write behind a backend's name may be anything."""
        return self.route.name if self.route else self.members[0]


def goal(model: str, pin: str | None, known: Collection[str], routes: Mapping[str, Route]) -> Goal:
    """What a request that asks for a model, and perhaps for one backend, may be put to.

    Raises UnknownName, with the nearest name that there is.
    """
    if pin is not None:
        return _pinned(model, pin, known, routes)
    name, _, inside = model.partition("/")
    if not inside and (route := routes.get(model)):
        return Goal(model, route.names, route)
    if model in known:
        return Goal(model, (model,))
    if inside and name in known:
        return Goal(model, (name,), model=inside)
    raise unknown_model(model, {*known, *routes})


def _pinned(model: str, pin: str, known: Collection[str], routes: Mapping[str, Route]) -> Goal:
    """A backend may be named, or one replica of a service; the model then is that one's own
    unless it names the same, or a route that it is part of."""
    replica = _replica(pin)
    name = replica.service if replica and replica.service in known else pin
    if name not in known:
        raise unknown_model(pin, known, what="backend")
    route = routes.get(model)
    same = model in ("", pin, name) or (route is not None and name in route.names)
    inside = None if same else model.removeprefix(f"{name}/")
    return Goal(model or pin, (name,), model=inside, replica=None if name == pin else replica)


def _replica(text: str) -> ReplicaId | None:
    try:
        return ReplicaId.parse(text)
    except ValueError:
        return None


def unknown_model(name: str, known: Iterable[str], what: str = "model") -> UnknownName:
    """Say that there is no such name, and which one is nearest."""
    return unknown_name(what, name, sorted(known))
