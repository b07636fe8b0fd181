"""`history`, `diff` and `rollback`: what a service was, and the way back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import click

from commands.access import Permit
from commands.changing import Change, Changing
from commands.outcomes import live, unchanged
from commands.planned import changed
from commands.replies import Block, Reply, Table
from commands.terms import FORCE, STRATEGY, terms
from commands.verb import ENVIRONMENT, PLAN, Deps, Verb, argument
from commands.weighing import touched, weighed
from commands.words import NameWord
from domain.errors import UnknownName
from domain.made_of import FILE, MadeOf, differences, in_short, replaced, shortened
from domain.people import Role
from domain.progress import Report
from domain.services import ServiceSpec
from fleet.fleet import Outcome
from fleet.store.services import Revision
from fleet.survey import unknown_service

SHOWN = 10


@dataclass(frozen=True)
class History:
    """What a service was."""

    name: str


@dataclass(frozen=True)
class Diff:
    """What differs from then."""

    name: str
    rev: str


@dataclass(frozen=True)
class Rollback:
    """Make a service what it was."""

    name: str
    rev: str | None = None
    plan: bool = False
    environment: str | None = None
    strategy: str | None = None
    force: bool = False

    @property
    def service(self) -> str:
        """The service it concerns."""
        return self.name


async def history(request: History, permit: Permit, deps: Deps, report: Report) -> Reply:
    """The newest revisions with what each changed, the newest first."""
    past, now = await _past(request.name, deps)
    older = [*past[1:], None]
    rows = tuple(
        (
            str(each.number),
            each.revision + (" ← now" if now and each is _current(past, now) else ""),
            each.at.strftime("%d %b %H:%M UTC"),
            each.operation,
            in_short(each.resolved),
            _told(before, each),
        )
        for each, before in zip(past[:SHOWN], older, strict=False)
    )
    table = Table(("rev", "revision", "since", "op", "content", "what changed"), rows)
    more = len(past) - SHOWN
    rest = (f"{more} older ones are kept too",) if more > 0 else ()
    return Reply.done(table, *rest)


async def diff(request: Diff, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Line by line, what changed between a revision and now."""
    past, now = await _past(request.name, deps)
    then = chosen(past, now, request.rev, request.name)
    if now is None:
        return Reply.done(
            f"{request.name} is removed; revision {then.number} was {then.spec.source}"
        )
    lines = list(changed(then.spec.model_copy(update={"placements": now.placements}), now))
    current = _current(past, now)
    lines += _otherwise(then.resolved, current.resolved) if current else []
    head = f"From revision {then.number} (`{then.revision}`) to what {request.name} is now"
    return Reply.done(head, *(lines or ["nothing differs"]))


async def rollback(request: Rollback, permit: Permit, deps: Deps) -> Change:
    """As it was, with as many replicas in the places it has now."""
    past, now = await _past(request.name, deps)

    def decide(before: ServiceSpec | None) -> ServiceSpec:
        want = chosen(past, before, request.rev, request.name).spec
        if before is not None:
            want = want.model_copy(update={"placements": before.placements})
        permit.allow(touched(before, want), want, before)
        return want

    def tell(outcome: Outcome) -> Reply:
        return live(outcome) if outcome.changed else unchanged(outcome)

    async def beside(planned: bool) -> list[Block]:
        return await _replaced(request, past, now, deps, planned=planned)

    return Change(request.name, decide, tell, beside=beside, terms=terms(request))


async def _replaced(
    request: Rollback,
    past: Sequence[Revision],
    now: ServiceSpec | None,
    deps: Deps,
    *,
    planned: bool,
) -> list[Block]:
    """A warning if what a name stood for then is something else today."""
    then = chosen(past, now, request.rev, request.name)
    if planned:
        places = {"placements": now.placements} if now else {}
        today = await deps.fleet.survey.foreseen(then.spec.model_copy(update=places))
    else:
        today = (await _past(request.name, deps))[0][0].resolved
    other = replaced(then.resolved, today)
    if other is None:
        return []
    what = dict(then.resolved).get(FILE, str(then.spec.source))
    return [f"Note: {what} is not what revision {then.number} ran: {other}."]


def chosen(
    past: Sequence[Revision], now: ServiceSpec | None, rev: str | None, name: str
) -> Revision:
    """The revision that was asked for, by number or by name; else the one before now. Pure."""
    if rev is None:
        found = next((each for each in past if not now or each.revision != now.revision), None)
        missing = f"{name} was never anything else, so there is no way back"
    else:
        found = next(
            (each for each in past if rev.lower() in (str(each.number), each.revision)), None
        )
        missing = f"{name} has no revision `{rev[:20]}`"
    if found is None:
        raise UnknownName(missing, hint=f"`!history {name}` lists what there is")
    return found


async def _past(name: str, deps: Deps) -> tuple[list[Revision], ServiceSpec | None]:
    async with deps.store.transaction() as tx:
        past, now = await tx.services.history(name), await tx.services.get(name)
        known = await tx.services.names()
    if not past:
        raise unknown_service(name, known)
    return past, now.spec if now else None


def _current(past: Sequence[Revision], now: ServiceSpec) -> Revision | None:
    """The newest revision that is what is wanted now."""
    return next((each for each in past if each.revision == now.revision), None)


def _told(before: Revision | None, each: Revision) -> str:
    if before is None:
        return f"{each.spec.source} on {each.spec.where}"
    lines = [*changed(before.spec, each.spec), *_otherwise(before.resolved, each.resolved)]
    return "; ".join(lines).replace("`", "")


def _otherwise(then: MadeOf, now: MadeOf) -> list[str]:
    return [
        f"{what}: `{shortened(old)}` → `{shortened(new)}`"
        for what, old, new in differences(then, now)
    ]


_NAME = argument("name", NameWord())

HISTORY = Verb(
    name="history",
    summary="what a service was, revision by revision",
    examples=("history tiny",),
    request=History,
    handle=history,
    role=Role.VIEWER,
    params=(_NAME,),
)
DIFF = Verb(
    name="diff",
    summary="what changed since a revision",
    examples=("diff tiny 1",),
    request=Diff,
    handle=diff,
    role=Role.VIEWER,
    params=(_NAME, argument("rev", click.STRING)),
)
ROLLBACK = Verb(
    name="rollback",
    summary="make a service what it was",
    examples=("rollback tiny", "rollback tiny 1"),
    request=Rollback,
    handle=Changing(rollback),
    role=Role.OPERATOR,
    changes=True,
    params=(
        _NAME,
        argument("rev", click.STRING, required=False),
        ENVIRONMENT,
        STRATEGY,
        FORCE,
        PLAN,
    ),
    weigh=weighed(rollback),
    notes=(
        "Without a number it is the revision before. How many replicas run, and where, stays as it "
        "is. A removed service comes back as it last was. A model file that was replaced since "
        "does not come back: you are warned of it.",
    ),
)
