"""`scale`: more copies, or fewer."""

from __future__ import annotations

from dataclasses import dataclass

from commands.access import Permit
from commands.changing import Change, Changing
from commands.existing import of_existing, with_replicas
from commands.outcomes import live, unchanged
from commands.replies import Reply
from commands.terms import FORCE, terms
from commands.verb import ENVIRONMENT, PLAN, Deps, Verb, argument
from commands.weighing import weighed
from commands.words import CountWord, NameWord
from domain.people import Role
from domain.services import ServiceSpec
from fleet.fleet import Outcome


@dataclass(frozen=True)
class Scale:
    """So many replicas of a service."""

    name: str
    replicas: int
    plan: bool = False
    environment: str | None = None
    force: bool = False

    @property
    def service(self) -> str:
        """The service it concerns."""
        return self.name


async def scale(request: Scale, permit: Permit, deps: Deps) -> Change:
    """Start what is missing, or drain and stop what is too many."""

    def scaled(before: ServiceSpec) -> ServiceSpec:
        return with_replicas(before, request.replicas)

    def tell(outcome: Outcome) -> Reply:
        if not outcome.changed:
            return unchanged(outcome)
        if not request.replicas:
            return Reply.done(
                f"✓ {request.name} has no replicas now; `!scale {request.name} 1` brings it back"
            )
        return live(outcome)

    decide = await of_existing(request.name, permit, deps, scaled)
    return Change(request.name, decide, tell, terms=terms(request))


VERB = Verb(
    name="scale",
    summary="run more copies of a service, or fewer",
    examples=("scale tiny 2", "scale tiny 0"),
    request=Scale,
    handle=Changing(scale),
    role=Role.OPERATOR,
    changes=True,
    params=(
        argument("name", NameWord()),
        argument("replicas", CountWord(0)),
        ENVIRONMENT,
        FORCE,
        PLAN,
    ),
    weigh=weighed(scale),
    notes=("Replicas that go get time to finish their answers.",),
)
