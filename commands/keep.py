"""`keep` and the bot's own `expire`: what becomes of services that were meant for a while."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from commands.access import Permit
from commands.asking import Asking
from commands.existing import of_existing
from commands.replies import Reply
from commands.stop import Named
from commands.verb import Deps, Verb, argument
from commands.words import DurationWord, NameWord
from domain.decisions import NOBODY
from domain.errors import Busy, OpsError, UsageError
from domain.expiries import Due, Expiry, moment, span, until
from domain.operations import EXPIRING
from domain.people import Role
from domain.progress import Report
from domain.services import ServiceSpec


@dataclass(frozen=True)
class Keep:
    """A service is still wanted."""

    name: str
    duration: float | None = None
    forever: bool = False


async def keep(request: Keep, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Put its end off, or take it away. The question about it then says so by itself."""
    name, now = request.name, deps.clock.now()
    if request.forever and request.duration:
        raise UsageError("`--forever` and a time contradict each other", hint=f"`!keep {name}`")
    wanted = await deps.fleet.survey.wanted(name)
    permit.allow(*_touched(wanted.spec))
    _refuse_going(name, deps)
    async with deps.store.transaction() as tx:
        expiry = await tx.expiries.get(name)
        if expiry is None or expiry.at is None:
            return Reply.done(
                f"✓ {name} has no end, so it stays; `!deploy {name} --ttl 8h` would give it one"
            )
        kept = expiry.for_good() if request.forever else expiry.kept(now, request.duration)
        await tx.expiries.put(kept)
    if kept.at is None:
        return Reply.done(f"✓ {name} stays for good")
    return Reply.done(f"✓ {name} stays {until(kept.at, now)}")


async def _weighed(
    request: Keep, permit: Permit, deps: Deps
) -> tuple[Sequence[str], ServiceSpec | None]:
    targets, spec = _touched((await deps.fleet.survey.wanted(request.name)).spec)
    permit.allow(targets, spec)
    return targets, spec


def _touched(spec: ServiceSpec) -> tuple[list[str], ServiceSpec]:
    return [placement.target for placement in spec.placements], spec


async def expire(request: Named, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Remove a service whose time is over; if that fails it is asked about again."""
    name, operation = request.name, permit.operation
    async with deps.store.transaction() as tx:
        expiry, wanted = await tx.expiries.get(name), await tx.services.get(name)
    if wanted is None:  # as far as that an earlier run of the bot had come
        return _removed(name)
    if expiry is None or expiry.due(deps.clock.now()) is not Due.REMOVE:
        return Reply.done(f"✓ {name} stays: its time is not over")
    try:
        if (holder := deps.fleet.survey.holder(name)) is not None:
            raise Busy(f"`{holder}` is changing {name}")  # what it does comes first
        decide = await of_existing(name, permit, deps, lambda before: before.scaled(0))
        asking = Asking(NOBODY, permit, deps)
        await deps.fleet.change(name, operation, decide, asking, report, remove=True)
    except OpsError as error:
        error.hint = await _postponed(expiry, deps)
        raise
    return _removed(name, f" It was deployed for {span(expiry.ttl)}.")


def _removed(name: str, more: str = "") -> Reply:
    return Reply.done(f"✓ {name} is removed, logs included: nobody said that it is to stay.{more}")


def _refuse_going(name: str, deps: Deps) -> None:
    for claim in deps.fleet.survey.claims:
        if claim.service == name and claim.operation.sender == EXPIRING:
            raise Busy(
                f"{name} is being removed", hint=f"`!cancel {claim.operation.id}` puts it back"
            )


async def _postponed(expiry: Expiry, deps: Deps) -> str:
    now = deps.clock.now()
    later = expiry.postponed(now)
    async with deps.store.transaction() as tx:
        if await tx.expiries.get(expiry.service) == expiry:  # nobody kept it meanwhile
            await tx.expiries.put(later)
    return f"it is asked about again at {moment(now + later.notice, now)}"


KEEP = Verb(
    name="keep",
    summary="keep a service that was only meant for a while",
    examples=("keep tiny", "keep tiny 2h", "keep tiny --forever"),
    request=Keep,
    handle=keep,
    role=Role.OPERATOR,
    acts=True,
    binds=True,
    weigh=_weighed,
    params=(
        argument("name", NameWord()),
        argument("duration", DurationWord(), required=False),
        click.Option(["--forever"], is_flag=True, help="take its end away"),
    ),
    notes=(
        "Without a time it stays for as long again as it was deployed for, counted from now. "
        "It never ends sooner for that. A 👍 under the question about it does the same.",
    ),
)
EXPIRE = Verb(
    name="expire",
    summary="remove a service whose time is over; the bot says this to itself",
    examples=("expire tiny",),
    request=Named,
    handle=expire,
    role=Role.OPERATOR,
    changes=True,
    hidden=True,
    params=(argument("name", NameWord()),),
)
