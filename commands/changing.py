"""The one way from a request to a change, or to the plan of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from commands.access import Permit
from commands.planned import planned
from commands.replies import Reply
from commands.verb import Deps, Handler
from domain.progress import Report
from fleet.fleet import Decide, Outcome


class Plannable(Protocol):
    """A request that may ask for the plan alone."""

    @property
    def plan(self) -> bool:
        """True when nothing is to be done."""
        ...


@dataclass(frozen=True, slots=True)
class Change:
    """What a request comes to."""

    service: str
    decide: Decide
    tell: Callable[[Outcome], Reply]
    """How it is told once it is done."""
    remove: bool = False


R = TypeVar("R", bound=Plannable)

Propose = Callable[[R, Permit, Deps], Awaitable[Change]]


def changing(propose: Propose[R]) -> Handler[R]:
    """A handler that makes the proposed change or, asked for the plan, tells what it would do."""

    async def handle(request: R, permit: Permit, deps: Deps, report: Report) -> Reply:
        change = await propose(request, permit, deps)
        name, operation, decide = change.service, permit.operation, change.decide
        if request.plan:
            return planned(await deps.fleet.preview(name, operation, decide, remove=change.remove))
        outcome = await deps.fleet.change(name, operation, decide, report, remove=change.remove)
        return change.tell(outcome)

    return handle
