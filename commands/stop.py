"""`stop`, `restart`, `remove` and the keeper's `repair`: changes that need only a name."""

from __future__ import annotations

from dataclasses import dataclass

from commands.access import Permit
from commands.asking import Asking
from commands.changing import Change, Changing
from commands.existing import of_existing, with_replicas
from commands.outcomes import live
from commands.replies import Reply, duration
from commands.terms import FORCE, STRATEGY, terms
from commands.verb import ENVIRONMENT, PLAN, Deps, Verb, argument
from commands.weighing import weighed
from commands.words import NameWord
from domain.decisions import NOBODY
from domain.errors import OpsError
from domain.people import Role
from domain.progress import Report
from domain.services import Placement, ServiceSpec
from domain.sources import Source
from fleet.fleet import Outcome
from fleet.keeper import ATTEMPTS


@dataclass(frozen=True)
class Named:
    """A service by name."""

    name: str
    plan: bool = False
    environment: str | None = None

    @property
    def service(self) -> str:
        """The service it concerns."""
        return self.name


@dataclass(frozen=True)
class Restart(Named):
    """A service to be replaced by itself."""

    strategy: str | None = None
    force: bool = False


async def stop(request: Named, permit: Permit, deps: Deps) -> Change:
    """Drain and stop every replica; what it was is remembered."""
    again = f"`!scale {request.name} 1` or `!restart {request.name}` brings it back"

    def tell(outcome: Outcome) -> Reply:
        if not outcome.changed:
            return Reply.done(f"✓ {request.name} was stopped already; {again}")
        return Reply.done(f"✓ {request.name} is stopped after {duration(outcome.seconds)}; {again}")

    return Change(request.name, await of_existing(request.name, permit, deps, _stopped), tell)


async def restart(request: Restart, permit: Permit, deps: Deps) -> Change:
    """Replace every replica by a new one, the new ones first."""

    def restarted(before: ServiceSpec) -> ServiceSpec:
        return (before if before.replicas else with_replicas(before, 1)).restarted()

    decide = await of_existing(request.name, permit, deps, restarted)
    return Change(request.name, decide, live, terms=terms(request))


async def remove(request: Named, permit: Permit, deps: Deps) -> Change:
    """Stop every replica and forget the service, its logs included; of one that never came about,
    what it left."""

    def tell(_: Outcome) -> Reply:
        return Reply.done(
            f"✓ {request.name} is removed, logs included. Its model file stays cached."
        )

    remains = await _remains(request.name, deps)
    decide = await of_existing(request.name, permit, deps, _stopped, remains)
    return Change(request.name, decide, tell, remove=True)


async def repair(request: Named, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Bring back replicas that went away."""
    try:
        decide = await of_existing(request.name, permit, deps, lambda before: before)
        name, operation = request.name, permit.operation
        asking = Asking(NOBODY, permit, deps)
        outcome = await deps.fleet.change(
            name, operation, decide, asking, report, repair=permit.own
        )
    except OpsError as error:
        error.hint = (
            f"`!logs {request.name}` may tell why; I try again, more and more rarely, and after "
            f"{ATTEMPTS} times in a row leave it until somebody changes it"
        )
        raise
    if not outcome.changed:
        return Reply.done(f"✓ {request.name} needed no repair")
    ready = outcome.want.replicas
    return Reply.done(
        f"✓ {request.name} had lost a replica and is whole again: {ready} of {ready} serve, "
        f"after {duration(outcome.seconds)}"
    )


async def _remains(name: str, deps: Deps) -> ServiceSpec | None:
    """What stands for a service that failed when it was first deployed: its dead replicas are kept
    for their logs. None where there is nothing of the kind, and for what lives: another bot may
    have it in its care."""
    if name in await deps.fleet.survey.names():
        return None
    seen, _ = await deps.fleet.survey.everywhere(name)
    left = [each for each in seen.values() if each.replicas]
    if not left or any(each.alive for each in left):
        return None
    places = tuple(Placement(target=each.target, replicas=0) for each in left)
    return ServiceSpec(name=name, source=_FORGOTTEN, placements=places)


_FORGOTTEN = Source("path", "/forgotten")
"""Nobody wrote down what it served."""


def _stopped(before: ServiceSpec) -> ServiceSpec:
    return before.scaled(0)


_NAME = (argument("name", NameWord()),)

STOP = Verb(
    name="stop",
    summary="stop a service, to be brought back later",
    examples=("stop tiny",),
    request=Named,
    handle=Changing(stop),
    role=Role.OPERATOR,
    changes=True,
    params=(*_NAME, ENVIRONMENT, PLAN),
    weigh=weighed(stop),
)
RESTART = Verb(
    name="restart",
    summary="replace every replica by a new one, without a gap",
    examples=("restart tiny",),
    request=Restart,
    handle=Changing(restart),
    role=Role.OPERATOR,
    changes=True,
    params=(*_NAME, ENVIRONMENT, STRATEGY, FORCE, PLAN),
    weigh=weighed(restart),
)
REMOVE = Verb(
    name="remove",
    summary="stop a service and forget it",
    examples=("remove tiny",),
    request=Named,
    handle=Changing(remove),
    role=Role.OPERATOR,
    changes=True,
    params=(*_NAME, ENVIRONMENT, PLAN),
    weigh=weighed(remove),
)
REPAIR = Verb(
    name="repair",
    summary="bring back replicas that went away; the bot says this to itself",
    examples=("repair tiny",),
    request=Named,
    handle=repair,
    role=Role.OPERATOR,
    changes=True,
    hidden=True,
    params=_NAME,
)
