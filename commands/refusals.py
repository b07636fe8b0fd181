"""Why something is not permitted, which permission is missing, and who can grant it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from domain.errors import NotPermitted, Undecided
from domain.operations import Operation
from domain.people import Person
from domain.rules import ANYWHERE, NamedRole, Rule
from domain.services import ServiceSpec

if TYPE_CHECKING:
    from commands.access import Permit


def not_let_in(given: Permit) -> NotPermitted:
    """Nothing the person has lets him say that here."""
    who = given.person.mxid
    is_ = f"is {given.role}" if given.role else "has no role here"
    if given.at_home or given.environment is None:
        return NotPermitted(
            f"that takes the role {given.needs}, and {who} {is_}{_elsewhere(given)}",
            hint=f"who edits `access.{given.needs}` in the configuration can grant it",
        )
    place = given.environment.name
    return NotPermitted(
        f"to act in {place} from this room takes the role admin, and {who} {is_}"
        f"{_elsewhere(given)}",
        hint=f"say it in a room of {place}; who edits `access.admin`, or `environments` of a "
        "role's rule, in the configuration can grant it",
    )


def too_much(
    given: Permit,
    targets: Sequence[str],
    want: ServiceSpec | None,
    before: ServiceSpec | None = None,
) -> NotPermitted:
    """A named role lets the person say that, but not about this."""
    weighed = [
        (role, rule, [*rule.objections(targets, want, before)]) for role, rule in given.rules
    ]
    if not weighed:
        return not_let_in(given)
    role, rule, objections = min(weighed, key=lambda each: len(each[2]))
    return NotPermitted(
        f"as {role.name} {may(rule, given.command)}; {' and '.join(objections)}",
        hint=f"that is `{rule.origin}` in the configuration; who edits it or "
        f"`access.{given.needs}` can grant more",
    )


def outside(given: Permit, target: str) -> NotPermitted:
    """A target is not one of the environment that is acted on."""
    place = given.place
    which = ", which this room acts on" if given.at_home else ""
    others = [
        f"say `--environment {each.name}`"
        for each in given.policy.every_environment.values()
        if target in each.targets and given.may_act_in(each, given.command, given.needs)
    ]
    ways = ", ".join([f"use {' or '.join(place.targets)}", *others])
    somewhere = any(target in each.targets for each in given.policy.every_environment.values())
    last = "or ask in that target's room" if somewhere else "or put it into an environment again"
    return NotPermitted(
        f"`{target}` is not a target of {place.name}{which}", hint=f"{ways}, {last}"
    )


def undecided(person: Person) -> Undecided:
    """The answer hangs on what could not be had."""
    why = "; ".join(dict.fromkeys(each.why for each in person.unknown))
    return Undecided(
        f"whether you may cannot be told now: {why}",
        hint="nothing was done; say it again in a moment",
    )


def may(rule: Rule, *commands: str) -> str:
    """`you may scale on gpu-* while replicas<=4`, about one command or all of a rule's."""
    said = ["say any command" if c == ANYWHERE else f"`{c}`" for c in commands or rule.commands]
    return f"you may {' or '.join(said)} {rule}".rstrip()


def places(rule: Rule) -> str:
    """The environments that a rule names: `dev or prod`."""
    named = rule.environments or ("this one",)
    return "every environment" if ANYWHERE in named else " or ".join(named)


def not_vouched_for(operation: Operation) -> NotPermitted:
    """It comes from a device that nothing, or not its owner's identity, vouches for."""
    if operation.device is None:
        return NotPermitted(
            "changes are taken only from verified sessions here, and nothing proves which one this "
            "came from",
            hint="say it again in an encrypted room, from a session that you have verified",
        )
    return NotPermitted(
        "changes are taken only from verified sessions here, and the identity that I know of "
        f"{operation.sender} does not vouch for {operation.device[:40]}",
        hint="verify that session in your client, then say it again; looking needs none of that",
    )


def _elsewhere(given: Permit) -> str:
    """Where a named role would let the person say the same."""
    found = [
        f"; as {role.name} you may in {places(rule)}"
        for role, rule in _about(given)
        if rule.environments
    ]
    home = [f"; as {role.name} you may in the room's own environment" for role, _ in _about(given)]
    return (found or (home if not given.at_home else []) or [""])[0]


def _about(given: Permit) -> list[tuple[NamedRole, Rule]]:
    return [
        (role, rule) for role in given.named for rule in role.may if rule.is_about(given.command)
    ]
