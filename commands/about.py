"""`ping`, `whoami`, `version`: small talk with the bot itself."""

from __future__ import annotations

from dataclasses import dataclass

from commands.access import Permit
from commands.refusals import may, places
from commands.replies import Reply, duration
from commands.verb import Deps, Verb
from domain.people import Role
from domain.progress import Report
from domain.rules import Rule


@dataclass(frozen=True)
class Ping:
    """Are you there?"""


@dataclass(frozen=True)
class WhoAmI:
    """Who am I to you?"""


@dataclass(frozen=True)
class Version:
    """Which one are you?"""


async def ping(request: Ping, permit: Permit, deps: Deps, report: Report) -> Reply:
    """Yes."""
    return Reply.done("pong")


async def whoami(request: WhoAmI, permit: Permit, deps: Deps, report: Report) -> Reply:
    """What the asker may do in this room."""
    place, room = permit.environment, permit.room_name or "This room"
    where = (
        f"{room} acts on {place.name}: {', '.join(place.targets)}, "
        f"`{place.default_target}` unless said otherwise."
        if place
        else f"{room} is bound to no environment: nothing can be changed from here."
    )
    named = [f", and {role.name}" for role in permit.named]
    who = f"You are {permit.person.mxid}, with the role {permit.role}{''.join(named)}."
    rules = [
        f"As {role.name} {may(rule)}{_in(rule)}." for role in permit.named for rule in role.may
    ]
    unknown = dict.fromkeys(each.why for each in permit.person.unknown)
    return Reply.done(who, where, *rules, *(f"Not known now: {why}." for why in unknown))


def _in(rule: Rule) -> str:
    return "" if rule.environments is None else f", in {places(rule)}"


async def version(request: Version, permit: Permit, deps: Deps, report: Report) -> Reply:
    """The release, and since when it runs."""
    up = (deps.clock.now() - deps.started_at).total_seconds()
    return Reply.done(f"Gantry {deps.version}, up for {duration(up)}")


PING = Verb(
    name="ping",
    summary="see whether the bot is there",
    examples=("ping",),
    request=Ping,
    handle=ping,
    role=Role.VIEWER,
)
WHOAMI = Verb(
    name="whoami",
    summary="who you are to the bot, and what this room acts on",
    examples=("whoami",),
    request=WhoAmI,
    handle=whoami,
    role=Role.VIEWER,
)
VERSION = Verb(
    name="version",
    summary="which Gantry this is",
    examples=("version",),
    request=Version,
    handle=version,
    role=Role.VIEWER,
)
