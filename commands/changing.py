"""The one way from a request to a change, or to the plan of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, Protocol, TypeVar

from commands.access import Permit
from commands.asking import Asking
from commands.planned import planned
from commands.proposing import proposing
from commands.replies import Block, Reply
from commands.verb import Deps
from domain.errors import OpsError
from domain.progress import Report
from domain.terms import Terms
from fleet.fitting import DoesNotFit
from fleet.fleet import Outcome
from fleet.planning import Decide
from fleet.rollout import Rollout


class Plannable(Protocol):
    """A request that may ask for the plan alone."""

    @property
    def plan(self) -> bool:
        """True when nothing is to be done."""
        ...


Beside = Callable[[bool], Awaitable[Sequence[Block]]]
"""(whether it is only planned) -> what else there is to say of a change. What it also does, it does
once the change is made."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a request comes to."""

    service: str
    decide: Decide
    tell: Callable[[Outcome], Reply]
    """How it is told once it is done."""
    remove: bool = False
    command: str = ""
    """Whose approval it takes; default: that of the command that was given."""
    beside: Beside | None = None
    terms: Terms = field(default_factory=Terms)
    """What whoever asks says of how it may be made."""

    async def more(self, *, planned: bool) -> Sequence[Block]:
        """What `beside` says."""
        return await self.beside(planned) if self.beside else ()


R = TypeVar("R", bound=Plannable)

Propose = Callable[[R, Permit, Deps], Awaitable[Change]]


class Changing(Generic[R]):
    """Handles requests for changes: makes the proposed change once that is decided or, asked for
    the plan, tells what it would do and keeps that for `!apply`."""

    def __init__(self, propose: Propose[R]) -> None:
        self.propose = propose

    async def __call__(self, request: R, permit: Permit, deps: Deps, report: Report) -> Reply:
        """Make it so. Raises whatever stands in the way."""
        change = await self.propose(request, permit, deps)
        if not request.plan:
            return await made(change, permit, deps, report)
        name, operation, planning = change.service, permit.operation, deps.fleet.planning
        rollout = await planning.preview(
            name, operation, change.decide, remove=change.remove, terms=change.terms
        )
        await planning.keep(rollout, operation)
        lately, more = await planning.lately(name), await change.more(planned=True)
        return planned(rollout, operation.id, lately, more)


async def made(
    change: Change, permit: Permit, deps: Deps, report: Report, plan: Rollout | None = None
) -> Reply:
    """Have a change decided, and make it. Given a `plan`, exactly that is done or nothing."""
    operation = permit.operation
    approval = permit.place.approval(change.command or operation.verb).of(operation.sender)
    more = await change.more(planned=True) if approval.asks else ()
    asking = Asking(approval, permit, deps, more)
    try:
        outcome = await deps.fleet.change(
            change.service,
            operation,
            change.decide,
            asking,
            report,
            remove=change.remove,
            plan=plan,
            terms=replace(change.terms, told=approval.asks),
        )
    except DoesNotFit as error:
        await asking.closed()
        raise await proposing(error, permit, deps) from error
    except OpsError:
        await asking.closed()
        raise
    return change.tell(outcome).adding(*await change.more(planned=False))
