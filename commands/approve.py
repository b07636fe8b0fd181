"""`approve` and `deny`: what people say to a change that waits for them."""

from __future__ import annotations

from dataclasses import dataclass

import click

from commands.access import Permit
from commands.asking import told
from commands.replies import Reply
from commands.verb import Deps, Verb, argument
from domain.decisions import Question, Vote, objection
from domain.errors import NotPermitted, RequestError, UnknownName
from domain.operations import Operation
from domain.people import Role
from domain.progress import Report
from fleet.store.decisions import DecisionRecord

_LONGEST = 300
"""Characters of a reason."""


@dataclass(frozen=True)
class Approve:
    """Yes."""

    op: str


@dataclass(frozen=True)
class Deny:
    """No."""

    op: str
    why: tuple[str, ...] = ()


async def approve(request: Approve, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Count a yes of somebody who may decide."""
    return await _vote(request.op, permit, deps, yes=True, why="")


async def deny(request: Deny, permit: Permit, deps: Deps, report: Report) -> Reply:
    """One no ends it."""
    return await _vote(request.op, permit, deps, yes=False, why=" ".join(request.why)[:_LONGEST])


async def _vote(op: str, permit: Permit, deps: Deps, *, yes: bool, why: str) -> Reply:
    about, record = await _asked(op, deps)
    own = permit.operation
    if record.decision is not None:
        raise RequestError(f"`{about.id}` was decided before: {told(record.decision)}")
    _here(about, record.question, permit)
    refusal = objection(
        record.question,
        own.sender,
        holds=permit.holds(record.question.approval.by),
        typed=own.vouched and not own.quiet,
        yes=yes,
    )
    if refusal:
        raise NotPermitted(f"that does not count for `{about.id}`: {refusal}")
    after = await deps.decisions.vote(Vote(own.origin, about.id, own.sender, yes, own.said_at, why))
    return Reply.done(_counted(about, after or record))


async def _asked(op: str, deps: Deps) -> tuple[Operation, DecisionRecord]:
    async with deps.store.transaction() as tx:
        about = await tx.operations.get(op.lower())
    if about is None:
        raise UnknownName(f"there is no operation `{op[:20]}`", hint="see `!ops`")
    record = await deps.decisions.look(about.id)
    if record is None or not record.question.approval.asks:
        raise RequestError(f"nobody is asked about `{about.id}` ({about.text[:60]})")
    return about, record


def _here(about: Operation, question: Question, permit: Permit) -> None:
    """Raise NotPermitted unless it is said in a room that acts on what the change is for."""
    place = permit.environment
    if about.room != permit.person.room and (place is None or place.name != question.environment):
        raise NotPermitted(
            f"`{about.id}` is about {question.environment}, and this room is not",
            hint="say it in the room where it was asked",
        )


def _counted(about: Operation, record: DecisionRecord) -> str:
    if record.decision is not None:
        return f"{told(record.decision)}: `{about.id}` ({about.text[:60]})"
    yes = len({vote.mxid for vote in record.votes if vote.yes})
    return f"✓ {yes} of {record.question.approval.quorum} said yes to `{about.id}`"


APPROVE = Verb(
    name="approve",
    summary="say yes to a change that waits for it",
    examples=("approve k3x9ab",),
    request=Approve,
    handle=approve,
    role=Role.VIEWER,
    acts=True,
    binds=True,
    params=(argument("op", click.STRING),),
    notes=(
        "Whose yes counts, and how many it takes, stands in the message that asks: see "
        "`environments.NAME.approvals` in the settings. A 👍 under that message says the same, and "
        "taking it away takes it back. What is approved is that plan: if what it rests on has "
        "changed by then, nothing is done.",
    ),
)
DENY = Verb(
    name="deny",
    summary="say no to a change that waits for a yes",
    examples=("deny k3x9ab not on a Friday",),
    request=Deny,
    handle=deny,
    role=Role.VIEWER,
    acts=True,
    params=(
        argument("op", click.STRING),
        click.Argument(["why"], nargs=-1, required=False, metavar="WHY..."),
    ),
    notes=("One no of somebody who may decide ends it; so does one of whoever asked for it.",),
)
