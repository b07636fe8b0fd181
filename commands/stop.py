"""`stop`, `restart`, `remove` and the keeper's `repair`: changes that need only a name."""

from __future__ import annotations

from dataclasses import dataclass

from commands.access import Permit
from commands.existing import change_existing
from commands.outcomes import live
from commands.replies import Reply, duration
from commands.verb import Deps, Verb, argument
from commands.words import NameWord
from domain.errors import OpsError
from domain.people import Role
from domain.progress import Report
from domain.services import ServiceSpec
from fleet.keeper import ATTEMPTS


@dataclass(frozen=True)
class Named:
    """A service by name."""

    name: str

    @property
    def service(self) -> str:
        """The service it concerns."""
        return self.name


async def stop(request: Named, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Drain and stop every replica; what it was is remembered."""
    outcome = await change_existing(
        request.name, permit, deps, report, lambda before: before.scaled(0)
    )
    again = f"`!scale {request.name} 1` or `!restart {request.name}` brings it back"
    if not outcome.changed:
        return Reply.done(f"✓ {request.name} was stopped already; {again}")
    return Reply.done(f"✓ {request.name} is stopped after {duration(outcome.seconds)}; {again}")


async def restart(request: Named, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Replace every replica by a new one, the new ones first."""

    def restarted(before: ServiceSpec) -> ServiceSpec:
        return (before if before.replicas else before.scaled(1)).restarted()

    return live(await change_existing(request.name, permit, deps, report, restarted))


async def remove(request: Named, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Stop every replica and forget the service, its logs included."""
    await change_existing(
        request.name, permit, deps, report, lambda before: before.scaled(0), remove=True
    )
    return Reply.done(f"✓ {request.name} is removed, logs included. Its model file stays cached.")


async def repair(request: Named, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Bring back replicas that went away."""
    try:
        outcome = await change_existing(request.name, permit, deps, report, lambda before: before)
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


_NAME = (argument("name", NameWord()),)

STOP = Verb(
    name="stop",
    summary="stop a service, to be brought back later",
    examples=("stop tiny",),
    request=Named,
    handle=stop,
    role=Role.OPERATOR,
    changes=True,
    params=_NAME,
)
RESTART = Verb(
    name="restart",
    summary="replace every replica by a new one, without a gap",
    examples=("restart tiny",),
    request=Named,
    handle=restart,
    role=Role.OPERATOR,
    changes=True,
    params=_NAME,
)
REMOVE = Verb(
    name="remove",
    summary="stop a service and forget it",
    examples=("remove tiny",),
    request=Named,
    handle=remove,
    role=Role.OPERATOR,
    changes=True,
    params=_NAME,
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
