"""Who asks, what is known of them, and what they may do."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import IntEnum
from math import inf
from typing import Literal

POWER = "power"
"""The fact of how much power somebody has in the room he speaks in, among facts that go by the
names of rooms."""


class Role(IntEnum):
    """Each role may do what the ones below it may."""

    NOBODY = 0
    VIEWER = 1
    OPERATOR = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()


def has_account(identity: str) -> bool:
    """Whether somebody is a Matrix id, and so may be a person. What speaks without an account
    (`webhook:NAME`, `schedule:NAME`, the bot itself) can neither be notified nor decide."""
    return identity.startswith("@")


@dataclass(frozen=True, slots=True)
class Actor:
    """What asks without an account: a webhook or a schedule, by its name in the configuration.

    Raises ValueError for a name that could be taken for something else.
    """

    kind: Literal["webhook", "schedule"]
    name: str

    def __post_init__(self) -> None:
        if self.kind not in ("webhook", "schedule") or not _ACTOR.fullmatch(self.name):
            raise ValueError(f"`{self.kind}:{self.name[:40]}` is neither a webhook nor a schedule")

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


_ACTOR = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Unknown:
    """A fact about somebody that could not be had."""

    fact: str
    """`power`, or `room:` and a room as the configuration names it."""
    why: str
    """A sentence without its full stop."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody in a room, known by MXID; display names prove nothing.

    Facts are looked up when a policy asks for them, and are what was true then.
    """

    mxid: str
    """Or `webhook:NAME`, `schedule:NAME` for what speaks without an account."""
    room: str
    power: float | None = None
    """The power level there, infinite for the creators of newer rooms; None when nobody asked."""
    rooms: frozenset[str] = frozenset()
    """Rooms of the policy he is joined to, by the subjects that name them."""
    unknown: tuple[Unknown, ...] = ()
    """What was asked and could not be had: grants nothing, and is no reason to deny."""

    @property
    def has_account(self) -> bool:
        """Whether it is a Matrix id rather than a webhook, a schedule or the bot."""
        return has_account(self.mxid)

    def at_best(self) -> Person:
        """The same with every unknown fact in his favour."""
        facts = {each.fact for each in self.unknown}
        power = inf if POWER in facts else self.power
        return replace(self, power=power, rooms=self.rooms | (facts - {POWER}), unknown=())
