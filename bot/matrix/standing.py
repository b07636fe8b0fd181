"""How somebody stands in rooms: power and membership, asked when the policy wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

import structlog

from bot.matrix.answers import RateLimited
from bot.matrix.inbound import Event
from bot.matrix.rooms import Powers
from commands.rooms import RoomBook
from domain.errors import Refused, Unreachable
from domain.people import POWER, Person, Unknown
from domain.subjects import ROOM

log = structlog.get_logger()

_CREATE, _LEVELS, _MEMBER = "m.room.create", "m.room.power_levels", "m.room.member"


class RoomStates(Protocol):
    """What is asked of a homeserver."""

    user_id: str

    async def state(self, room: str, kind: str, key: str = "") -> Event | None:
        """A state event as it is now."""
        ...

    async def room_id(self, alias: str) -> str:
        """The room behind an alias."""
        ...


class Standing:
    """Looks facts up as of now, so that power that was taken away counts no more.

    Nothing is asked that the policy does not mention, or that could change nothing.
    """

    def __init__(self, api: RoomStates, book: RoomBook) -> None:
        self._api = api
        self._book = book
        self._made: dict[str, Event] = {}
        """Room -> how it was made, which never changes."""

    async def of(self, mxid: str, room: str) -> Person:
        """Somebody, with the facts that the policy asks for. What cannot be had is told as
        unknown, and why. Raises LoggedOut."""
        asks = sorted(self._book.policy.asks(mxid, room))
        if not asks:
            return Person(mxid, room)
        found = dict(
            zip(asks, await asyncio.gather(*(self._fact(a, mxid, room) for a in asks)), strict=True)
        )
        power = found.get(POWER)
        rooms = frozenset(fact for fact, value in found.items() if value is True)
        unknown = tuple(value for value in found.values() if isinstance(value, Unknown))
        return Person(mxid, room, power if isinstance(power, int | float) else None, rooms, unknown)

    async def _fact(self, fact: str, mxid: str, room: str) -> float | bool | Unknown:
        try:
            if fact == POWER:
                return await self._power(mxid, room)
            return await self._is_member(mxid, fact.removeprefix(ROOM))
        except (Refused, Unreachable, RateLimited) as error:
            log.warning("fact not had", fact=fact, person=mxid, why=error.summary)
            what = "power here" if fact == POWER else f"membership of {fact.removeprefix(ROOM)}"
            return Unknown(fact, f"your {what} cannot be looked up: {error.summary}")

    async def _power(self, mxid: str, room: str) -> float:
        made = self._made.get(room) or await self._api.state(room, _CREATE)
        if made is not None:
            self._made[room] = made
        return Powers.of(made, await self._api.state(room, _LEVELS)).of_user(mxid)

    async def _is_member(self, mxid: str, name: str) -> bool:
        """Whether somebody is joined. Our own membership is asked for too: who has left a room is
        answered as of when he left."""
        room = await self._api.room_id(name) if name.startswith("#") else name
        room = self._book.latest(room)
        mine = await self._api.state(room, _MEMBER, self._api.user_id)
        if not _joined(mine):
            raise Refused(f"I am not in {name}")
        return _joined(await self._api.state(room, _MEMBER, mxid))


def _joined(event: Event | None) -> bool:
    content: Any = (event or {}).get("content")
    return isinstance(content, Mapping) and content.get("membership") == "join"
