"""Which room is which, and what it acts on: as of now, for rooms are made and upgraded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from domain.access import Environment, Policy


class RoomBook:
    """What the configuration says of rooms, brought together with the rooms there are.

    `policy` is a value, made anew when something is learnt: who holds one sees no change in it.
    """

    def __init__(
        self,
        rules: Policy,
        name: Callable[[str], str] = lambda room: "",
        admin_room: str | None = None,
        audit_room: str | None = None,
    ) -> None:
        self.policy = rules
        self.name = name
        """What people call a room; "" when it has no name."""
        self._rules = rules
        """Its rooms go by the names the configuration gives them: ids and aliases."""
        self._admin_room = admin_room
        self._audit_room = audit_room
        self._ids: dict[str, str] = {}
        self._successors: dict[str, str] = {}

    @property
    def aliases(self) -> tuple[str, ...]:
        """The aliases in the configuration."""
        names = (*self._rules.rooms, self._admin_room or "", self._audit_room or "")
        return tuple(name for name in names if name.startswith("#"))

    @property
    def admin_room(self) -> str | None:
        """Where to tell those who look after the bot; None when that is nowhere."""
        return self._now(self._admin_room)

    @property
    def audit_room(self) -> str | None:
        """Where records of the audit are told; None when that is nowhere."""
        return self._now(self._audit_room)

    def found(self, alias: str, room: str) -> None:
        """An alias stands for this room now."""
        self._ids[alias] = room
        self._settle()

    def succeeded(self, room: str, successor: str) -> None:
        """A room goes on as another. They make no circles: a room that has taken another's place
        cannot be followed by one of those it came from."""
        self._successors[room] = successor
        self._settle()

    def successor(self, room: str) -> str | None:
        """What a room goes on as, if it was upgraded."""
        return self._successors.get(room)

    def latest(self, room: str) -> str:
        """What a room, known by id, goes on as after all its upgrades; itself without any."""
        while room in self._successors:
            room = self._successors[room]
        return room

    def _now(self, name: str | None) -> str | None:
        """The id of the room that a name in the configuration stands for by now."""
        room = self._ids.get(name) if name is not None and name.startswith("#") else name
        return None if room is None else self.latest(room)

    def _settle(self) -> None:
        listed = {self._ids.get(name, name): place for name, place in self._rules.rooms.items()}
        self.policy = replace(self._rules, rooms=carried(listed, self._successors))


def carried(
    rooms: Mapping[str, Environment], successors: Mapping[str, str]
) -> Mapping[str, Environment]:
    """Environments carried along upgrades to the newer rooms, and then back to the older ones,
    where operations may still be under way. What is said of a room itself counts first."""
    bound = dict(rooms)
    for old, new in successors.items():
        if old in bound:
            bound.setdefault(new, bound[old])
    for old, new in reversed(list(successors.items())):
        if new in bound:
            bound.setdefault(old, bound[new])
    return bound
