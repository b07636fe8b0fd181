"""Whom a line of the policy means."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from domain.people import POWER, Person

ROOM, WEBHOOK, SCHEDULE = "room:", "webhook:", "schedule:"
_POWER = re.compile(r"power:(-?[0-9]{1,15})")
_MXID = re.compile(r"@[^:\s]+:\S+")
_ROOM = re.compile(r"room:(#[^:\s]+:\S+|![^\s]+)")
_SENDER = re.compile(r"(webhook|schedule):[A-Za-z0-9*][A-Za-z0-9._*-]*")
_KINDS = ("power", "room", "webhook", "schedule")


@dataclass(frozen=True)
class Subjects:
    """A list of whom something is for.

    `@ops-*:example.org` by Matrix id, where `*` stands for any run of characters; `power:50` for
    that much power or more in the room somebody speaks in; `room:#oncall:example.org` for who is
    joined to a room; `webhook:ci`, `schedule:nightly` for what speaks without an account. `*`
    alone is every Matrix id and nothing else.
    """

    patterns: tuple[str, ...] = ()

    @cached_property
    def _matcher(self) -> re.Pattern[str]:
        return re.compile("|".join(map(glob, self._names())) or r"(?!)", re.DOTALL)

    @cached_property
    def _least_power(self) -> int | None:
        levels = [int(found[1]) for each in self.patterns if (found := _POWER.fullmatch(each))]
        return min(levels, default=None)

    @cached_property
    def rooms(self) -> frozenset[str]:
        """The subjects among these that are about rooms."""
        return frozenset(each for each in self.patterns if each.startswith(ROOM))

    @cached_property
    def asks(self) -> frozenset[str]:
        """The facts that have to be looked up to tell who is meant."""
        return self.rooms | ({POWER} if self._least_power is not None else set())

    def name(self, mxid: str) -> bool:
        """Whether somebody is meant by name, whatever else is true of him. Case counts."""
        return self._matcher.fullmatch(mxid) is not None

    def include(self, person: Person) -> bool:
        """Whether somebody is meant, as far as it is known."""
        if self.name(person.mxid):
            return True
        least, power = self._least_power, person.power
        if least is not None and power is not None and power >= least:
            return True
        return not self.rooms.isdisjoint(person.rooms)

    def _names(self) -> Iterator[str]:
        for pattern in self.patterns:
            if pattern == "*":
                yield "@*"
            elif pattern.startswith(("@", WEBHOOK, SCHEDULE)):
                yield pattern


def glob(pattern: str) -> str:
    """A regular expression for a pattern in which `*` alone stands for something else."""
    return re.escape(pattern).replace(r"\*", ".*")


def checked(subject: str) -> str:
    """The subject, if it is one. Raises ValueError with what is wrong and what is right."""
    if subject == "*" or any(p.fullmatch(subject) for p in (_MXID, _POWER, _ROOM, _SENDER)):
        return subject
    kind, separator, _ = subject.partition(":")
    close = difflib.get_close_matches(kind, _KINDS, n=1, cutoff=0.6) if separator else []
    if close:
        right = {
            "power": "`power:50`",
            "room": "`room:#alias:server` or `room:!id`",
            "webhook": "`webhook:ci`",
            "schedule": "`schedule:nightly`",
        }
        raise ValueError(f"`{subject[:80]}` is nobody; did you mean {right[close[0]]}?")
    raise ValueError(
        f"`{subject[:80]}` is not a Matrix id such as @*:host, nor power:N, room:#alias:server, "
        "webhook:NAME or schedule:NAME"
    )
