"""Changes to a service that has to be there already."""

from __future__ import annotations

from collections.abc import Callable

from commands.access import Permit
from commands.verb import Deps
from commands.weighing import touched
from domain.services import ServiceSpec
from fleet.planning import Decide
from fleet.survey import unknown_service


async def of_existing(
    name: str, permit: Permit, deps: Deps, change: Callable[[ServiceSpec], ServiceSpec]
) -> Decide:
    """A decision about what runs under that name. It raises UnknownName and NotPermitted."""
    async with deps.store.transaction() as tx:
        known = [wanted.spec.name for wanted in await tx.services.all()]

    def decide(before: ServiceSpec | None) -> ServiceSpec:
        if before is None:
            raise unknown_service(name, known)
        want = change(before)
        permit.allow(touched(before, want), want)
        return want

    return decide
