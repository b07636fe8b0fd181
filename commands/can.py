"""`can`: whether a command would be let through, and why, without giving it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from commands.access import Permit, permit
from commands.grammar import Grammar, Parsed
from commands.refusals import may
from commands.replies import Reply
from commands.verb import AnyVerb, Deps, Verb
from domain.errors import NotPermitted, OpsError, Undecided, UnknownName, UsageError
from domain.people import Role
from domain.progress import Report
from domain.rules import NamedRole, Rule
from domain.services import ServiceSpec


@dataclass(frozen=True)
class Can:
    """A command to be weighed."""

    command: str


def can_verb(verbs: Mapping[str, AnyVerb]) -> Verb[Can]:
    """The verb that weighs the others; it is told which there are."""

    async def can(request: Can, permit_: Permit, deps: Deps, report: Report) -> Reply:
        text = request.command.strip().removeprefix(deps.prefix)
        parsed = Grammar(verbs).parse(text, partly=True)
        try:
            allowed = permit(
                permit_.operation,
                parsed.role,
                permit_.policy,
                command=parsed.verb.name,
                environment=parsed.environment,
                person=permit_.person,
                alters=parsed.alters,
            )
            return Reply.done(f"Yes: {await _why(parsed, allowed, deps)} Nothing was done.")
        except NotPermitted as error:
            return Reply.done(f"No: {_told(error)}")
        except Undecided as error:
            return Reply.done(f"Perhaps: {_told(error)}")

    return Verb(
        name="can",
        summary="whether you may say something, and why",
        examples=("can deploy tiny tiny://ops", "can scale tiny 2", "can deploy --target local"),
        request=Can,
        handle=can,
        role=Role.VIEWER,
        prose="command",
        notes=("Words that are still missing are left out of account.",),
    )


async def _why(parsed: Parsed, allowed: Permit, deps: Deps) -> str:
    """What lets it through, and what it would act on. Raises NotPermitted and Undecided."""
    weigh = parsed.verb.weigh
    if weigh is None or allowed.needs <= Role.VIEWER:
        return _by_role(parsed, allowed)
    place, but = allowed.place, ""
    targets: Sequence[str] = [target for target, _ in _named(parsed)]
    want: ServiceSpec | None = None
    try:
        if parsed.whole:
            targets, want = await weigh(parsed.request, allowed, deps)
    except (UnknownName, UsageError) as error:
        but = f" But {error.summary}."
    targets = targets or [place.default_target]
    where = f" It would act on {', '.join(targets)} ({place.name}).{but}"
    if want is not None or allowed.enough:
        before = await _as_it_is(want, deps)
        allowed.allow(targets, want, before)
        return _by_rule(parsed, allowed, allowed.grounds(targets, want, before)) + where
    return _so_far(parsed, allowed, targets) + where


async def _as_it_is(want: ServiceSpec | None, deps: Deps) -> ServiceSpec | None:
    if want is None:
        return None
    async with deps.store.transaction() as tx:
        found = await tx.services.get(want.name)
    return found.spec if found else None


def _named(parsed: Parsed) -> Sequence[tuple[str, int | None]]:
    return getattr(parsed.request, "target", None) or ()


def _by_role(parsed: Parsed, allowed: Permit) -> str:
    return f"`{parsed.verb.name}` takes the role {allowed.needs}, and you are {allowed.role}."


def _by_rule(parsed: Parsed, allowed: Permit, found: tuple[NamedRole, Rule] | None) -> str:
    if found is None:
        return _by_role(parsed, allowed)
    role, rule = found
    return f"as {role.name} {may(rule, parsed.verb.name)} (`{rule.origin}`)."


def _so_far(parsed: Parsed, allowed: Permit, targets: Sequence[str]) -> str:
    """What rules let through of a command that does not say yet what it comes to."""
    fitting = [each for each in allowed.rules if each[1].reaches(targets)]
    if not fitting:
        allowed.allow(targets)
    return " ".join(
        f"as {role.name} {may(rule, parsed.verb.name)} (`{rule.origin}`)." for role, rule in fitting
    )


def _told(error: OpsError) -> str:
    hint = f" {error.hint[:1].upper()}{error.hint[1:]}." if error.hint else ""
    return f"{error.summary}.{hint}"
