"""Routes: names behind which several services and backends stand. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MEMBER = re.compile(r"(?P<name>[a-z][a-z0-9-]{0,39})(?::(?P<weight>[0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class Member:
    """One of those a route leads to."""

    name: str
    """A service or a backend."""
    weight: int = 0
    """Of a hundred requests, so many are put to it first; 0 leaves it to the order."""

    @classmethod
    def parse(cls, text: str) -> Member:
        """Read `name` or `name:10`. Raises ValueError for anything else."""
        found = _MEMBER.fullmatch(text)
        weight = int(found["weight"] or 0) if found else 0
        if found is None or weight > 100:
            raise ValueError(f"`{text[:60]}` is not a name, or a name with 0 to 100: `canary:10`")
        return cls(found["name"], weight)


@dataclass(frozen=True, slots=True)
class Route:
    """A cascade: the members are asked one after the other until one answers."""

    name: str
    members: tuple[Member, ...]
    as_listed: bool = False
    """Whether they are asked in the order they are listed; otherwise those on cards come first,
    then processors, then what is not ours, and last what is paid for by the token."""

    @property
    def names(self) -> tuple[str, ...]:
        """Its members by name."""
        return tuple(member.name for member in self.members)

    def drawn(self, lot: float) -> str | None:
        """The member that is asked first by its weight, for a lot from 0 to below 1; None leaves
        it to the order."""
        upto = 0.0
        for member in self.members:
            upto += member.weight / 100
            if lot < upto:
                return member.name
        return None
