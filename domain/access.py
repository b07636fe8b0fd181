"""Who may do what, and where: the policy as values."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from domain.decisions import NOBODY, Approval
from domain.defaults import Defaults
from domain.errors import UnknownName
from domain.people import POWER, Person, Role, has_account
from domain.rules import NamedRole
from domain.subjects import Subjects


@dataclass(frozen=True, slots=True)
class Environment:
    """A set of targets that belong together: dev, staging, prod."""

    name: str
    targets: tuple[str, ...]
    default_target: str
    defaults: Defaults = field(default_factory=Defaults)
    """What a new service is there where nothing was said."""
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
    environments: Mapping[str, Environment] = field(default_factory=dict)
    """All there are, by name; those of rooms need not be here."""
    named: tuple[NamedRole, ...] = ()
    """The roles that the configuration adds."""
    vouched_only: bool = False
    """Whether changes are taken only from devices that their owner's identity vouches for."""

    def role(self, person: Person) -> Role:
        """The highest role whose list includes the person; at least viewer in a named role."""
        held = [role for role, subjects in self.roles.items() if subjects.include(person)]
        return max(held) if held else Role.VIEWER if self.named_roles(person) else Role.NOBODY

    def named_roles(self, person: Person) -> tuple[NamedRole, ...]:
        """The named roles whose lists include the person."""
        return tuple(each for each in self.named if each.who.include(person))

    def listed(self, role: str) -> tuple[str, ...]:
        """Those who are listed for a role one by one, not by a pattern or by what they are."""
        lists = {str(held): who for held, who in self.roles.items()}
        lists |= {each.name: each.who for each in self.named}
        patterns = lists.get(role, Subjects()).patterns
        return tuple(each for each in patterns if each.startswith("@") and "*" not in each)

    def environment(self, room: str) -> Environment | None:
        """What a room acts on."""
        return self.rooms.get(room, self.elsewhere)

    def called(self, name: str) -> Environment:
        """An environment by name. Raises UnknownName with the nearest one."""
        every = self.every_environment
        if name not in every:
            close = difflib.get_close_matches(name, every, n=1, cutoff=0.5)
            hint = f"did you mean `{close[0]}`?" if close else f"there is {', '.join(every)}"
            raise UnknownName(f"there is no environment `{name[:40]}`", hint=hint)
        return every[name]

    @cached_property
    def every_environment(self) -> Mapping[str, Environment]:
        """By name."""
        bound = {each.name: each for each in (*self.rooms.values(), self.elsewhere) if each}
        return {**bound, **self.environments}

    @cached_property
    def _asks(self) -> frozenset[str]:
        lists = (*self.roles.values(), *(each.who for each in self.named))
        return frozenset().union(*(each.asks for each in lists))

    def asks(self, mxid: str, room: str) -> frozenset[str]:
        """The facts about somebody that may change what he may do: `power`, `room:...`.

        None of what is sure by his name alone. Power counts only in rooms that act on something:
        anybody may make a room of his own, and has all the power there.
        """
        if not self._asks or not has_account(mxid):
            return frozenset()
        sure = self.role(Person(mxid, room))
        open_ = [who for role, who in self.roles.items() if role > sure]
        open_ += [each.who for each in self.named if not each.who.name(mxid)]
        asks = frozenset().union(*(each.asks for each in open_))
        return asks if self.environment(room) else asks - {POWER}
