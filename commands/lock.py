"""`lock`, `unlock` and `locks`: what is to be left alone, by whom, why and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

import click

from commands.access import Permit
from commands.replies import Call, Reply
from commands.verb import ENVIRONMENT, Deps, Verb, argument, option
from commands.weighing import touched
from commands.words import DurationWord
from domain.errors import Busy, UnknownName
from domain.locks import Lock, told_at
from domain.people import Role
from domain.progress import Report
from domain.services import ServiceSpec
from fleet.claims import Claim
from fleet.store.database import Transaction

ALL = "all"
"""Names everything in the room's environment."""

_LONGEST = 200


@dataclass(frozen=True)
class LockIt:
    """Something is to be left alone."""

    scope: str
    reason: str | None = None
    for_: float | None = None
    environment: str | None = None
    steal: bool = False


@dataclass(frozen=True)
class Unlock:
    """It may be changed again."""

    scope: str
    environment: str | None = None


@dataclass(frozen=True)
class ListLocks:
    """What is locked."""


async def lock(request: LockIt, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Refuse changes to it from now on, whoever else asks for them."""
    scope, service, targets = await _scope(request.scope, permit, deps)
    now, holder, room = deps.clock.now(), permit.person.mxid, permit.person.room
    until = now + timedelta(seconds=request.for_) if request.for_ else None
    reason = (request.reason or "")[:_LONGEST]
    wanted = Lock(scope, service, targets, holder, reason, now, until, room)
    async with deps.store.transaction() as tx:
        held = await _held(scope, tx, deps)
        _refuse_machines(held, permit)
        if held and held.holder != holder and not request.steal:
            raise Busy(str(held), hint=f"`!lock {request.scope} --steal` takes it from them")
        await tx.locks.put(wanted)
    rest = "Others are refused; the bot's own repairs go on. `!unlock` ends it"
    if held is None or held.holder == holder:
        return Reply.done(f"✓ {wanted}", rest)
    taken = f"{holder} took your lock of {scope} over{_why(reason)}"
    return Reply.done(f"✓ {wanted}", _whose(held), rest).calling(_to_holder(held, taken, deps))


async def unlock(request: Unlock, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Let changes through again; whose lock it was is said, to them as well."""
    scope, _, _ = await _scope(request.scope, permit, deps, forgotten=True)
    person = permit.person.mxid
    async with deps.store.transaction() as tx:
        held = await _held(scope, tx, deps)
        _refuse_machines(held, permit)
        await tx.locks.drop(scope)
    if held is None:
        return Reply.done(f"{scope} was not locked")
    if held.holder == person:
        return Reply.done(f"✓ {scope} is unlocked")
    why = f" ({held.reason})" if held.reason else ""
    reply = Reply.done(f"✓ {scope} is unlocked by {person}; it was {held.holder}'s{why}")
    return reply.calling(_to_holder(held, f"{person} ended your lock of {scope}", deps))


async def locks(request: ListLocks, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Every lock that holds, a line each, and what is being changed just now."""
    async with deps.store.transaction() as tx:
        held = await tx.locks.active(deps.clock.now())
    lines = [*map(str, held), *map(_claimed, deps.fleet.survey.claims)]
    return Reply.done(*lines or ["Nothing is locked"])


def _claimed(claim: Claim) -> str:
    operation, since = claim.operation, told_at(claim.since)
    if claim.service:
        what = f"{claim.service} is being changed by {operation.sender} since {since}"
    else:
        what = f"nothing else is started on {claim.name}: {operation.sender} does since {since}"
    return f"{what} until that ends: `{operation.id}` ({operation.text[:60]})"


async def _held(scope: str, tx: Transaction, deps: Deps) -> Lock | None:
    active = await tx.locks.active(deps.clock.now())
    return next((each for each in active if each.scope == scope), None)


def _refuse_machines(held: Lock | None, permit: Permit) -> None:
    """A lock is one person's word to all others, and to what asks without being one above all:
    raise Busy if that would end, or take over, somebody else's."""
    if held and held.holder != permit.person.mxid and not permit.person.has_account:
        raise Busy(str(held), hint="it takes a person to end it or to take it over")


def _to_holder(held: Lock, text: str, deps: Deps) -> Call:
    """In the room where they took it, or what that has become."""
    room = held.room
    while room is not None and (successor := deps.rooms.successor(room)) is not None:
        room = successor
    return Call(held.holder, text, room)


def _whose(held: Lock) -> str:
    until = f" until {told_at(held.until)}" if held.until else ""
    return f"It was {held.holder}'s since {told_at(held.since)}{until}{_why(held.reason)}"


def _why(reason: str) -> str:
    return f": {reason}" if reason else ""


async def _scope(
    word: str, permit: Permit, deps: Deps, *, forgotten: bool = False
) -> tuple[str, str | None, tuple[str, ...]]:
    """What a word names: (scope, service, targets). `forgotten` takes names of what is no more."""
    place = permit.place
    if word == ALL:
        permit.allow(place.targets)
        return f"all of {place.name}", None, place.targets
    if word in deps.fleet.targets:
        permit.allow([word])
        return word, None, (word,)
    try:
        wanted = await deps.fleet.survey.wanted(word)
    except UnknownName as error:
        if forgotten:
            permit.allow(place.targets)  # nothing says where it was
            return word, word, ()
        names = ", ".join(f"`{target}`" for target in place.targets)
        raise UnknownName(
            f"`{word[:40]}` is neither a service nor a target",
            hint=f"targets here are {names}; `!status` lists services; `all` means everything here",
        ) from error
    permit.allow(touched(wanted.spec), wanted.spec)
    return word, word, ()


async def _weighed(
    request: LockIt | Unlock, permit: Permit, deps: Deps
) -> tuple[Sequence[str], ServiceSpec | None]:
    _, service, targets = await _scope(request.scope, permit, deps)
    spec = (await deps.fleet.survey.wanted(service)).spec if service else None
    return targets or touched(spec), spec


_SCOPE = argument("scope", click.STRING)

LOCK = Verb(
    name="lock",
    summary="have a service, a target or all of them left alone by everybody else",
    examples=('lock tiny --reason "demo at three" --for 2h', "lock all"),
    request=lambda scope, reason=None, environment=None, steal=False, **rest: LockIt(
        scope, reason, rest.get("for"), environment, steal
    ),
    handle=lock,
    role=Role.OPERATOR,
    acts=True,
    binds=True,
    params=(
        _SCOPE,
        option("--reason", click.STRING, "TEXT", "why; everybody who is refused reads it"),
        option("--for", DurationWord(), "2h", "how long; default: until somebody unlocks it"),
        ENVIRONMENT,
        click.Option(["--steal"], is_flag=True, help="take it over from whoever holds it"),
    ),
    weigh=_weighed,
    notes=(
        "You may still change it yourself. Others are refused, with your reason; plans are not. "
        "The bot still repairs what breaks. Whose lock you `--steal` is told, where they took it.",
    ),
)
UNLOCK = Verb(
    name="unlock",
    summary="let it be changed again",
    examples=("unlock tiny",),
    request=Unlock,
    handle=unlock,
    role=Role.OPERATOR,
    acts=True,
    binds=True,
    params=(_SCOPE, ENVIRONMENT),
    weigh=_weighed,
)
LOCKS = Verb(
    name="locks",
    summary="what is locked or being changed, by whom, why and until when",
    examples=("locks",),
    request=ListLocks,
    handle=locks,
    role=Role.VIEWER,
)
