"""`lock`, `unlock` and `locks`: what is to be left alone, by whom, why and until when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import click

from commands.access import Permit
from commands.replies import Reply
from commands.verb import Deps, Verb, argument, option
from commands.words import DurationWord
from domain.errors import Busy, UnknownName
from domain.locks import Lock
from domain.people import Role
from domain.progress import Report

ALL = "all"
"""Names everything in the room's environment."""

_LONGEST = 200


@dataclass(frozen=True)
class LockIt:
    """Something is to be left alone."""

    scope: str
    reason: str | None = None
    for_: float | None = None


@dataclass(frozen=True)
class Unlock:
    """It may be changed again."""

    scope: str


@dataclass(frozen=True)
class ListLocks:
    """What is locked."""


async def lock(request: LockIt, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Refuse changes to it from now on, whoever else asks for them."""
    scope, service, targets = await _scope(request.scope, permit, deps)
    now, holder = deps.clock.now(), permit.person.mxid
    until = now + timedelta(seconds=request.for_) if request.for_ else None
    wanted = Lock(scope, service, targets, holder, (request.reason or "")[:_LONGEST], now, until)
    async with deps.store.transaction() as tx:
        for held in await tx.locks.active(now):
            if held.scope == scope and held.holder != holder:
                raise Busy(str(held), hint=f"`!unlock {request.scope}` takes it from them")
        await tx.locks.put(wanted)
    return Reply.done(
        f"✓ {wanted}", "Others are refused; the bot's own repairs go on. `!unlock` ends it"
    )


async def unlock(request: Unlock, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Let changes through again; whose lock it was is said."""
    scope, _, _ = await _scope(request.scope, permit, deps, forgotten=True)
    async with deps.store.transaction() as tx:
        held = next(
            (each for each in await tx.locks.active(deps.clock.now()) if each.scope == scope), None
        )
        await tx.locks.drop(scope)
    if held is None:
        return Reply.done(f"{scope} was not locked")
    if held.holder == permit.person.mxid:
        return Reply.done(f"✓ {scope} is unlocked")
    why = f" ({held.reason})" if held.reason else ""
    return Reply.done(f"✓ {scope} is unlocked by {permit.person.mxid}; it was {held.holder}'s{why}")


async def locks(request: ListLocks, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Every lock that holds, a line each."""
    async with deps.store.transaction() as tx:
        held = await tx.locks.active(deps.clock.now())
    return Reply.done(*(map(str, held)) if held else ("Nothing is locked",))


async def _scope(
    word: str, permit: Permit, deps: Deps, *, forgotten: bool = False
) -> tuple[str, str | None, tuple[str, ...]]:
    """What a word names: (scope, service, targets). `forgotten` takes names of what is no more."""
    place = permit.place
    if word == ALL:
        return f"all of {place.name}", None, place.targets
    if word in deps.fleet.targets:
        permit.allow([word])
        return word, None, (word,)
    try:
        wanted = await deps.fleet.survey.wanted(word)
    except UnknownName as error:
        if forgotten:
            return word, word, ()
        names = ", ".join(f"`{target}`" for target in place.targets)
        raise UnknownName(
            f"`{word[:40]}` is neither a service nor a target",
            hint=f"targets here are {names}; `!status` lists services; `all` means everything here",
        ) from error
    permit.allow([placement.target for placement in wanted.spec.placements])
    return word, word, ()


_SCOPE = argument("scope", click.STRING)

LOCK = Verb(
    name="lock",
    summary="have a service, a target or all of them left alone by everybody else",
    examples=('lock tiny --reason "demo at three" --for 2h', "lock all"),
    request=lambda scope, reason=None, **rest: LockIt(scope, reason, rest.get("for")),
    handle=lock,
    role=Role.OPERATOR,
    binds=True,
    params=(
        _SCOPE,
        option("--reason", click.STRING, "TEXT", "why; everybody who is refused reads it"),
        option("--for", DurationWord(), "2h", "how long; default: until somebody unlocks it"),
    ),
    notes=(
        "You may still change it yourself. Others are refused, with your reason; plans are not. "
        "The bot still repairs what breaks.",
    ),
)
UNLOCK = Verb(
    name="unlock",
    summary="let it be changed again",
    examples=("unlock tiny",),
    request=Unlock,
    handle=unlock,
    role=Role.OPERATOR,
    binds=True,
    params=(_SCOPE,),
)
LOCKS = Verb(
    name="locks",
    summary="what is locked, by whom, why and until when",
    examples=("locks",),
    request=ListLocks,
    handle=locks,
    role=Role.VIEWER,
)
