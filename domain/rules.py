"""Named roles: what a list of people may do, command by command."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from domain.arguments import NAMESPACE, Condition
from domain.services import ServiceSpec
from domain.subjects import Subjects, glob

CHANGES: Final = ("deploy", "scale", "stop", "restart", "remove", "rollback")
"""What changes services. People may be asked before."""

COMMANDS: Final = (*CHANGES, "keep", "lock", "unlock", "logs", "where", "batch")
"""What a role can be given. Who is in any role may look and talk, so that needs no rule."""

ANYWHERE = "*"
"""For every command, or every environment."""


@dataclass(frozen=True)
class Rule:
    """Commands that are let through in some environments, on some targets, to some ends."""

    commands: tuple[str, ...]
    environments: tuple[str, ...] | None = None
    """None for the one of the room it is said in."""
    targets: tuple[str, ...] = (ANYWHERE,)
    """Names, in which `*` stands for anything."""
    when: tuple[Condition, ...] = ()
    """All of them have to hold for the service that would be wanted."""
    origin: str = ""
    """Where the configuration says so: `roles.scaler.may.0`."""

    @cached_property
    def _targets(self) -> re.Pattern[str]:
        return re.compile("|".join(map(glob, self.targets)))

    def is_about(self, command: str) -> bool:
        """Whether it says anything of a command."""
        return command in self.commands or (ANYWHERE in self.commands and command in COMMANDS)

    def holds_in(self, environment: str, *, at_home: bool) -> bool:
        """Whether it counts there; `at_home` when that is the environment of the room."""
        if self.environments is None:
            return at_home
        return environment in self.environments or ANYWHERE in self.environments

    def reaches(self, targets: Iterable[str]) -> bool:
        """Whether it is about all of these targets."""
        return all(self._targets.fullmatch(target) for target in targets)

    def objections(
        self, targets: Iterable[str], want: ServiceSpec | None, before: ServiceSpec | None = None
    ) -> Iterator[str]:
        """What it does not let through, each as a few words; none when it lets all of it.

        `before` is the service as it is. Nobody takes it out of a namespace that is not theirs.
        """
        for target in dict.fromkeys(targets):
            if not self._targets.fullmatch(target):
                yield f"this is on {target}"
        if want is None and self.when:
            yield "this is not about one service"
        elif want is not None:
            for each in self.when:
                if not each.holds(want):
                    yield f"{each.argument} would be {each.found(want)}"
                elif before and each.argument == NAMESPACE and not each.holds(before):
                    yield f"{each.argument} is {each.found(before)} now"

    def lets_through(
        self, targets: Iterable[str], want: ServiceSpec | None, before: ServiceSpec | None = None
    ) -> bool:
        """Whether nothing speaks against it."""
        return not any(True for _ in self.objections(targets, want, before))

    def __str__(self) -> str:
        where = "" if self.targets == (ANYWHERE,) else f" on {' or '.join(self.targets)}"
        when = f" while {' and '.join(map(str, self.when))}" if self.when else ""
        return f"{where}{when}".strip()


@dataclass(frozen=True)
class NamedRole:
    """A role of the configuration's own. Who is in it is a viewer as well."""

    name: str
    who: Subjects
    may: tuple[Rule, ...] = ()
