"""`can`: whether a command would be let through, and why, without giving it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from commands.access import Permit, permit
from commands.grammar import Grammar, Parsed
from commands.replies import Reply
from commands.verb import AnyVerb, Deps, Verb
from domain.errors import NotPermitted, UnknownName
from domain.people import Role
from domain.progress import Report


@dataclass(frozen=True)
class Can:
    """A command to be weighed."""

    command: str


def can_verb(verbs: Mapping[str, AnyVerb]) -> Verb[Can]:
    """The verb that weighs the others; it is told which there are."""

    async def can(request: Can, permit_: Permit, deps: Deps, report: Report) -> Reply:
        parsed = Grammar(verbs).parse(request.command.strip().removeprefix(deps.prefix))
        rooms = deps.rooms
        name = parsed.verb.name
        try:
            allowed = permit(permit_.operation, parsed.role, rooms.policy, alters=parsed.alters)
            where = await _where(parsed, allowed, deps)
        except NotPermitted as error:
            hint = f" {error.hint[:1].upper()}{error.hint[1:]}." if error.hint else ""
            return Reply.done(f"No: {error.summary}.{hint}")
        needs = f"`{name}` takes the role {parsed.role}, and you are {allowed.role}"
        return Reply.done(f"Yes: {needs}.{where} Nothing was done.")

    return Verb(
        name="can",
        summary="whether you may say something, and why",
        examples=("can deploy tiny tiny://ops", "can scale tiny 2"),
        request=Can,
        handle=can,
        role=Role.VIEWER,
        prose="command",
    )


async def _where(parsed: Parsed, allowed: Permit, deps: Deps) -> str:
    """What it would act on. Raises NotPermitted for what is not this room's."""
    if not parsed.changes:
        return ""
    place = allowed.place
    targets = await _targets(parsed.request, deps) or [place.default_target]
    allowed.allow(targets)
    return f" It would act on {', '.join(targets)} ({place.name})."


async def _targets(request: Any, deps: Deps) -> list[str]:
    named = getattr(request, "target", None)
    if named:
        return [target for target, _ in named]
    try:
        wanted = await deps.fleet.survey.wanted(request.service)
    except UnknownName:
        return []
    return [placement.target for placement in wanted.spec.placements]
