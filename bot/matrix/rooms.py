"""Who may do what to a room, whether one truly goes on as another, and what is said of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from bot.matrix.inbound import Event
from bot.matrix.news import Departure
from domain.access import Environment

PRIVILEGED_CREATORS = 12
"""From this room version on, creators stand above all power levels and are listed in none."""


@dataclass(frozen=True)
class Powers:
    """What a room's state says about who may do what there."""

    creators: frozenset[str]
    """Those who can do everything."""
    levels: Mapping[str, Any]
    """The content of `m.room.power_levels`."""

    @classmethod
    def of(cls, create: Event | None, levels: Event | None) -> Powers:
        """Read from two state events; one that is missing grants nothing."""
        made, content = _content(create), dict(_content(levels))
        creator = made.get("creator") or (create or {}).get("sender")
        if version(create) >= PRIVILEGED_CREATORS:
            more = made.get("additional_creators")
            listed = more if isinstance(more, list) else []
            others = [each for each in listed if isinstance(each, str)]
            return cls(frozenset([str((create or {}).get("sender")), *others]), content)
        if levels is None and isinstance(creator, str):
            content["users"] = {creator: 100}
        return cls(frozenset(), content)

    def of_user(self, mxid: str) -> float:
        """How much power somebody has."""
        if mxid in self.creators:
            return inf
        users = self.levels.get("users")
        own = users.get(mxid) if isinstance(users, Mapping) else None
        return _level(own, _level(self.levels.get("users_default"), 0))

    def needed(self, kind: str, *, state: bool) -> float:
        """How much it takes to send an event.

        A room without power levels lets everybody change its state; here it takes 50 there too.
        """
        events = self.levels.get("events")
        own = events.get(kind) if isinstance(events, Mapping) else None
        if state:
            return _level(own, _level(self.levels.get("state_default"), 50))
        return _level(own, _level(self.levels.get("events_default"), 0))

    def allow(self, mxid: str, kind: str, *, state: bool) -> bool:
        """Whether somebody may send an event of that kind."""
        return self.of_user(mxid) >= self.needed(kind, state=state)


def version(create: Event | None) -> int:
    """A room's version; 0 for one that has no number."""
    name = _content(create).get("room_version", "1")
    return int(name) if isinstance(name, str) and name.isascii() and name.isdigit() else 0


def continues(create: Event | None, old: str) -> bool:
    """Whether a room says itself that it is what another goes on as."""
    predecessor = _content(create).get("predecessor")
    return isinstance(predecessor, Mapping) and predecessor.get("room_id") == old


def server(mxid: str) -> str:
    """Where somebody's account is."""
    return mxid.partition(":")[2]


def welcome(prefix: str, environment: Environment | None) -> str:
    """The first words in a room."""
    return (
        "I am Gantry: I deploy, scale and talk to model servers. Commands begin with "
        f"`{prefix}`, and `{prefix}help` lists them. {acts_on(environment)}"
    )


def goes_on(name: str, environment: Environment | None) -> str:
    """The first words in a room that another one became."""
    before = f"{name} was" if name else "The old room was"
    return f"{before} upgraded, and I came along. {acts_on(environment)}"


def acts_on(environment: Environment | None) -> str:
    """What can be changed from a room."""
    if environment is None:
        return "This room is bound to no environment: nothing can be changed from here."
    return f"This room acts on {environment.name}: {', '.join(environment.targets)}."


def put_out(departure: Departure) -> str:
    """That somebody does not want us any more."""
    how = "banned me from" if departure.banned else "removed me from"
    why = f" ({departure.reason})" if departure.reason else ""
    return (
        f"{departure.sender} {how} {_called(departure.room, departure.name)}{why}. What was begun "
        "there goes on, but nothing more can be said there until somebody invites me again."
    )


def mute(room: str, name: str, powers: Powers, me: str, kind: str) -> str:
    """That we are not allowed to speak."""
    has, needs = powers.of_user(me), powers.needed(kind, state=False)
    what = f"I have power {has:g} there and it takes {needs:g}" if has < needs else "it said no"
    return (
        f"I may not speak in {_called(room, name)}: {what}. Answers to commands from there are "
        "lost until that is changed."
    )


def uninvited(room: str, replacement: str, name: str) -> str:
    """That a room was upgraded and we cannot follow."""
    return (
        f"{_called(room, name)} was upgraded to {replacement}, which does not let me in. Invite me "
        "there, and it takes the place of the old one."
    )


def _called(room: str, name: str) -> str:
    return f"{name} ({room})" if name else room


def _content(event: Event | None) -> Mapping[str, Any]:
    content = (event or {}).get("content")
    return content if isinstance(content, Mapping) else {}


def _level(value: Any, default: float) -> float:
    """A power level; old rooms may have them as text."""
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else default
