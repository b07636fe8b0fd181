"""Who may do what, and where: the policy as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from domain.decisions import NOBODY, Approval
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
    approvals: Mapping[str, Approval] = field(default_factory=dict)
    """Command -> who has to say yes to it; `*` stands for every other that changes something."""

    def approval(self, command: str) -> Approval:
        """Who has to say yes to a command."""
        return self.approvals.get(command) or self.approvals.get("*", NOBODY)


@dataclass(frozen=True)
class Policy:
    """Default deny: who is in no list may do nothing."""

    roles: Mapping[Role, Subjects]
    rooms: Mapping[str, Environment] = field(default_factory=dict)
    """Room id -> the environment its commands act in."""
    elsewhere: Environment | None = None
    """For rooms that are not listed; None refuses changes there."""

    def role(self, person: Person) -> Role:
        """The highest role whose list includes the person."""
        held = [role for role, subjects in self.roles.items() if subjects.include(person.mxid)]
        return max(held, default=Role.NOBODY)

    def named(self, role: str) -> tuple[str, ...]:
        """Those who are listed for a role one by one, not by a pattern."""
        subjects = next((s for held, s in self.roles.items() if str(held) == role), Subjects())
        return tuple(pattern for pattern in subjects.patterns if "*" not in pattern)

    def environment(self, room: str) -> Environment | None:
        """What a room acts on."""
        return self.rooms.get(room, self.elsewhere)
