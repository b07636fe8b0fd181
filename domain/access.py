"""Who may do what, and where: the policy as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from domain.people import Person, Role


@dataclass(frozen=True)
class Subjects:
    """MXID patterns such as `@ops-*:example.org`; `*` stands for any run of characters."""

    patterns: tuple[str, ...] = ()

    @cached_property
    def _matcher(self) -> re.Pattern[str]:
        globs = (re.escape(pattern).replace(r"\*", ".*") for pattern in self.patterns)
        return re.compile("|".join(globs) or r"(?!)", re.DOTALL)

    def include(self, mxid: str) -> bool:
        """Whether a pattern fits. Case counts, as it does in MXIDs."""
        return self._matcher.fullmatch(mxid) is not None


@dataclass(frozen=True, slots=True)
class Environment:
    """A set of targets that belong together: dev, staging, prod."""

    name: str
    targets: tuple[str, ...]
    default_target: str


@dataclass(frozen=True)
class Policy:
    """Default deny: who is in no list may do nothing."""

    roles: Mapping[Role, Subjects]
    rooms: Mapping[str, Environment] = field(default_factory=dict)
    """Room id -> the environment its commands act in."""
    elsewhere: Environment | None = None
    """For rooms that are not listed; None refuses changes there."""
    vouched_only: bool = False
    """Whether changes are taken only from devices that their owner's identity vouches for."""

    def role(self, person: Person) -> Role:
        """The highest role whose list includes the person."""
        held = [role for role, subjects in self.roles.items() if subjects.include(person.mxid)]
        return max(held, default=Role.NOBODY)

    def environment(self, room: str) -> Environment | None:
        """What a room acts on."""
        return self.rooms.get(room, self.elsewhere)
