"""Changes to a service that has to be there already."""

from __future__ import annotations

from collections.abc import Callable

from commands.access import Permit
from commands.verb import Deps
from commands.weighing import touched
from domain.errors import UsageError
from domain.services import ServiceSpec
from fleet.planning import Decide
from fleet.survey import unknown_service


async def of_existing(
    name: str,
    permit: Permit,
    deps: Deps,
    change: Callable[[ServiceSpec], ServiceSpec],
    otherwise: ServiceSpec | None = None,
) -> Decide:
    """A decision about what runs under that name, or for what there is `otherwise`. It raises
    UnknownName and NotPermitted."""
    known = await deps.fleet.survey.names()

    def decide(before: ServiceSpec | None) -> ServiceSpec:
        want = change(before) if before else otherwise
        if want is None:
            raise unknown_service(name, known)
        permit.allow(touched(before, want), want)
        return want

    return decide


def with_replicas(before: ServiceSpec, replicas: int) -> ServiceSpec:
    """The same with so many copies. Raises UsageError where it would have to be said on which
    target."""
    try:
        return before.scaled(replicas)
    except ValueError as error:
        hint = f"For example `!deploy {before.name} --target eu:2,us:1`"
        raise UsageError(str(error), hint=hint) from error
