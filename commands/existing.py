"""Changes to a service that has to be there already."""

from __future__ import annotations

from collections.abc import Callable

from commands.access import Permit
from commands.verb import Deps
from domain.progress import Report
from domain.services import ServiceSpec
from fleet.fleet import Outcome
from fleet.survey import unknown_service


async def change_existing(
    name: str,
    permit: Permit,
    deps: Deps,
    report: Report,
    change: Callable[[ServiceSpec], ServiceSpec],
    *,
    remove: bool = False,
) -> Outcome:
    """Change what runs under that name. Raises UnknownName, NotPermitted and what targets say."""
    known = [status.wanted.spec.name for status in await deps.fleet.survey.status()]

    def decide(before: ServiceSpec | None) -> ServiceSpec:
        if before is None:
            raise unknown_service(name, known)
        permit.allow([placement.target for placement in before.placements])
        return change(before)

    return await deps.fleet.change(name, permit.operation, decide, report, remove=remove)
