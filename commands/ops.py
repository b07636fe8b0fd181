"""`ops` and `cancel`: operations, past and running."""

from __future__ import annotations

from dataclasses import dataclass

import click

from commands.access import Permit
from commands.refusals import undecided
from commands.replies import Reply, Table, duration
from commands.verb import Deps, Verb, argument
from domain.access import Environment
from domain.errors import NotPermitted, UnknownName
from domain.operations import Operation
from domain.people import Role
from domain.progress import Report
from fleet.rollout import Rollout

SHOWN = 10


@dataclass(frozen=True)
class Ops:
    """The latest operations."""


@dataclass(frozen=True)
class Cancel:
    """End an operation early."""

    op: str


async def ops(request: Ops, permit: Permit, deps: Deps, report: Report) -> Reply:
    """The newest changes, whoever asked for them."""
    async with deps.store.transaction() as tx:
        found = await tx.operations.recent(SHOWN)
    if not found:
        return Reply.done("Nothing was changed yet.")
    head = ("op", "command", "by", "state", "when", "took")
    return Reply.done(Table(head, tuple(_row(each) for each in found)))


async def cancel(request: Cancel, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Ask for its end; its own message tells how it ended."""
    async with deps.store.transaction() as tx:
        found = await tx.operations.get(request.op.lower())
        if found is None:
            raise UnknownName(f"there is no operation `{request.op[:20]}`", hint="see `!ops`")
        if found.sender != permit.person.mxid:
            kept = await tx.operations.rollout(found.id)
            _refuse_others(found, Rollout.from_json(kept) if kept else None, permit)
        if not found.state.ended:
            await tx.operations.cancel(found.id, permit.person.mxid)
    if found.state.ended:
        return Reply.done(f"`{found.id}` ({found.text[:60]}) had {found.state} already.")
    deps.cancellations.ask(found.id, permit.person.mxid)
    return Reply.done(
        f"✓ `{found.id}` ({found.text[:60]}) is being cancelled; its own message says how it ends"
    )


def _refuse_others(found: Operation, rollout: Rollout | None, permit: Permit) -> None:
    """Somebody else's is for operators, in a room of the same environment, and for admins."""
    places = _places(found, rollout, permit)
    here = permit.policy.environment(permit.person.room)
    if permit.holds("operator") and (here is None or not places or here in places):
        return
    if permit.holds("admin"):
        return
    if permit.person.unknown:
        raise undecided(permit.person)
    where, hint = "", "who edits `access.operator` in the configuration can grant it"
    if places and permit.holds("operator"):
        where = f" in {' or '.join(place.name for place in places)}"
        hint = f"say it in a room of {places[0].name}"
    raise NotPermitted(
        f"`{found.id}` is {found.sender}'s; cancelling it takes the role operator{where}", hint=hint
    )


def _places(found: Operation, rollout: Rollout | None, permit: Permit) -> list[Environment]:
    """Where an operation acts: as its plan says, or while there is none, as its room does."""
    policy = permit.policy
    if rollout is None:
        place = policy.environment(found.room)
        return [place] if place else []
    targets = {plan.target for plan in rollout.plans}
    return [each for each in policy.every_environment.values() if targets <= set(each.targets)]


def _row(each: Operation) -> tuple[str, ...]:
    began = each.started_at or each.said_at
    took = duration((each.ended_at - began).total_seconds()) if each.ended_at else ""
    when = each.said_at.strftime("%d %b %H:%M UTC")
    return (each.id, each.text[:60], each.sender, str(each.state), when, took)


OPS = Verb(
    name="ops",
    summary="the latest changes",
    examples=("ops",),
    request=Ops,
    handle=ops,
    role=Role.VIEWER,
)
CANCEL = Verb(
    name="cancel",
    summary="end an operation early; what ran before is put back",
    examples=("cancel k3x9ab",),
    request=Cancel,
    handle=cancel,
    role=Role.VIEWER,
    acts=True,
    params=(argument("op", click.STRING),),
    notes=("Your own operations, or as an operator anybody's.",),
)
