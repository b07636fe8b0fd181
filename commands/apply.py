"""`apply`: have exactly that done which a plan told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta

import click

from commands.access import Permit, permit
from commands.changing import Changing, made
from commands.grammar import Grammar
from commands.planned import GOOD_FOR
from commands.replies import Reply, duration
from commands.verb import AnyVerb, Deps, Verb, argument
from domain.errors import NotPermitted, RequestError, UnknownName
from domain.operations import Operation
from domain.people import Role
from domain.progress import Report
from fleet.rollout import Rollout


@dataclass(frozen=True)
class Apply:
    """The plan of that id."""

    op: str
    plan: bool = False


def apply_verb(verbs: Mapping[str, AnyVerb]) -> Verb[Apply]:
    """The verb that carries out plans of the others; it is told which there are."""

    async def apply(request: Apply, permit_: Permit, deps: Deps, report: Report) -> Reply:
        about, plan, begun = await _plan(request.op, permit_, deps)
        parsed = Grammar(verbs).parse(about.text)
        handler = parsed.verb.handle
        if not isinstance(handler, Changing):
            raise RequestError(f"`{about.id}` ({about.text[:60]}) changes nothing")
        async with deps.store.transaction() as tx:
            await tx.operations.started(permit_.operation.id, plan.want.name, deps.clock.now())
        allowed = permit(
            permit_.operation,
            parsed.verb.role,
            permit_.policy,
            permit_.room_name,
            command=parsed.verb.name,
            environment=parsed.environment,
            person=permit_.person,
            begun=begun,
        )
        wanted = replace(parsed.request, plan=False)
        change = replace(await handler.propose(wanted, allowed, deps), command=parsed.verb.name)
        return await made(change, allowed, deps, report, plan)

    return Verb(
        name="apply",
        summary="have exactly that done which a plan told",
        examples=("apply k3x9ab",),
        request=Apply,
        handle=apply,
        role=Role.VIEWER,
        changes=True,
        params=(argument("op", click.STRING),),
        notes=(
            f"A plan is good for {duration(GOOD_FOR)}. It takes what the planned command takes, "
            "approval included. If what it was planned from has changed, nothing is done, and you "
            "read what changed.",
        ),
    )


async def _plan(op: str, permit_: Permit, deps: Deps) -> tuple[Operation, Rollout, bool]:
    """The plan with the command it is of, and whether it began to be applied before a restart."""
    async with deps.store.transaction() as tx:
        about = await tx.operations.get(op.lower())
        text = await tx.operations.rollout(about.id) if about else None
        resumed = await tx.operations.rollout(permit_.operation.id) is not None
    if about is None or text is None or about.changes:
        raise UnknownName(f"there is no plan `{op[:20]}`", hint="a command with `--plan` makes one")
    if about.room != permit_.person.room:
        raise NotPermitted(f"plan `{about.id}` is another room's", hint="apply it there")
    if not resumed and deps.clock.now() - about.said_at > timedelta(seconds=GOOD_FOR):
        raise RequestError(
            f"plan `{about.id}` is older than {duration(GOOD_FOR)}",
            hint=f"have it planned again: `!{about.text[:80]}`",
        )
    return about, Rollout.from_json(text), resumed
