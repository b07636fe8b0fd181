"""Rooms of the bot and one person, for what nobody else may read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import islice
from typing import Any, TypeVar
from urllib.parse import quote

import structlog

from bot.discretion import Discretion
from bot.matrix.answers import RateLimited
from bot.matrix.api import MatrixApi
from bot.matrix.content import transaction_id
from commands.courier import Parcel
from domain.clock import Clock
from domain.errors import Refused, Unreachable
from domain.keys import digest_of
from domain.operations import Operation
from domain.progress import Progress, Report

T = TypeVar("T")

LOOK_EVERY, COME_WITHIN = 2.0, 900.0
"""Seconds between looks for a person who is invited, and how long they are waited for."""

ATTEMPTS, PAUSE = 5, 2.0
"""How often something is tried, and seconds in between, while the homeserver does not answer."""

PAIR, LOOKED_AT = 2, 20
"""People in a small room, and how many such rooms at most are asked who is in them."""

_V3 = "/_matrix/client/v3"
_DIRECT = "m.direct"
_ENCRYPTION = {
    "type": "m.room.encryption",
    "state_key": "",
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
}

log = structlog.get_logger()


class Direct:
    """Finds, or makes, a room with one person in it, and hands files over there."""

    def __init__(self, api: MatrixApi, discretion: Discretion, clock: Clock) -> None:
        self._api = api
        self._discretion = discretion
        self._clock = clock
        self._finding = asyncio.Lock()
        """Two who ask at once get one room."""

    async def hand(self, person: str, parcel: Parcel, about: Operation, report: Report) -> None:
        """See `commands.courier.Courier`. The file is uploaded as it is: everything else the bot
        says is masked."""
        self._discretion.learn("gateway key", parcel.secret)
        async with self._finding:
            room = await self._room(person, about.room)
        await self._met(room, person, report)
        name, text = parcel.name, parcel.text.encode()
        if not await self._tried(lambda: self._api.is_encrypted(room)):
            raise Refused(f"the direct room {room} is not encrypted")
        where = await self._tried(
            lambda: self._api.upload(text, name, "text/plain", encrypt=True, secret=True)
        )
        content = {"msgtype": "m.file", "body": name, "filename": name, **where}
        content["m.mentions"] = {"user_ids": [person]}
        digest = digest_of(parcel.secret.get_secret_value())
        transaction = transaction_id("hand", about.id, digest)
        await self._tried(lambda: self._api.send(room, content, transaction))
        log.info("handed over", to=person, room=room, file=name)

    async def _room(self, person: str, not_in: str) -> str:
        """One that is there already, or a new one."""
        known = await self._tried(self._listed)
        candidates: list[str] = [*known.get(person, ()), *self._small()]
        for room in dict.fromkeys(candidates):
            if room != not_in and await self._tried(partial(self._is_ours, room, person)):
                return room
        made: str = await self._tried(lambda: self._made(person))
        listed = {**known, person: [*known.get(person, ()), made]}
        await self._tried(lambda: self._ask("PUT", self._account_data, listed))
        return made

    def _small(self) -> Iterator[str]:
        """Rooms that may be one of two, as far as syncs have told. What has a name is meant for
        more people, sooner or later."""
        rooms = self._api.client.rooms.items()
        found = (
            name for name, room in rooms if room.member_count <= PAIR and not room.named_room_name()
        )
        return islice(found, LOOKED_AT)

    async def _is_ours(self, room: str, person: str) -> bool:
        """Whether nobody but the two is in a room, or can come in unasked, and it is encrypted."""
        try:
            members = await self._members(room)
            if members.pop(self._api.user_id, "") != "join" or members.keys() != {person}:
                return False
            rules = await self._api.state(room, "m.room.join_rules")
            sealed = await self._api.state(room, "m.room.encryption")
        except Refused:
            return False
        return bool(sealed) and _content(rules).get("join_rule", "invite") == "invite"

    async def _made(self, person: str) -> str:
        """Encrypted from its first event on. The person has the power to take the file away."""
        body = {
            "preset": "trusted_private_chat",
            "is_direct": True,
            "invite": [person],
            "initial_state": [_ENCRYPTION],
        }
        made = str((await self._ask("POST", f"{_V3}/createRoom", body))["room_id"])
        log.info("direct room made", room=made, person=person)
        return made

    async def _met(self, room: str, person: str, report: Report) -> None:
        """Wait until the person is there and our own sync has shown us the room: what is encrypted
        before that, they may never read."""
        waited = 0.0
        while not (await self._tried(lambda: self._is_in(room, person)) and self._knows(room)):
            if waited >= COME_WITHIN:
                raise Refused(
                    f"{person} did not come into the direct room {room} within "
                    f"{COME_WITHIN / 60:.0f} minutes",
                    hint="Accept the bot's invitation, then say it again",
                )
            report(Progress("waiting until you accept my invitation to a room of our own"))
            await self._clock.sleep(LOOK_EVERY)
            waited += LOOK_EVERY
        # the homeserver has it that they are there, and a sync may not have told yet: ask anew
        self._api.client.rooms[room].members_synced = False

    async def _is_in(self, room: str, person: str) -> bool:
        event = await self._api.state(room, "m.room.member", person)
        membership = _content(event).get("membership")
        if membership not in ("join", "invite"):
            raise Refused(
                f"{person} declined the invitation to the direct room, or left it",
                hint="Say it again for another one",
            )
        return bool(membership == "join")

    def _knows(self, room: str) -> bool:
        return self._api.knows(room) and self._api.encrypted(room)

    async def _listed(self) -> dict[str, list[str]]:
        """Person -> rooms, as the account notes them down for all its devices."""
        answer = await self._api.request("GET", self._account_data)
        if answer.errcode == "M_NOT_FOUND":
            return {}
        listed = answer.expected().items()
        return {who: list(rooms) for who, rooms in listed if isinstance(rooms, list)}

    async def _members(self, room: str) -> dict[str, str]:
        """Who is in a room or invited to it -> which."""
        path = f"{_V3}/rooms/{quote(room, safe='')}/members?not_membership=leave"
        events = (await self._ask("GET", path)).get("chunk", [])
        return {
            str(event.get("state_key")): str(_content(event).get("membership"))
            for event in events
            if _content(event).get("membership") in ("join", "invite")
        }

    @property
    def _account_data(self) -> str:
        return f"{_V3}/user/{quote(self._api.user_id, safe='')}/account_data/{_DIRECT}"

    async def _ask(self, method: str, path: str, body: Any = None) -> Any:
        return (await self._api.request(method, path, body)).expected()

    async def _tried(self, act: Callable[[], Awaitable[T]]) -> T:
        """Again while the homeserver does not answer, or asks for patience."""
        for _ in range(ATTEMPTS - 1):
            try:
                return await act()
            except RateLimited as error:
                await self._clock.sleep(error.seconds)
            except Unreachable:
                await self._clock.sleep(PAUSE)
        return await act()


def _content(event: Any) -> dict[str, Any]:
    content = event.get("content") if isinstance(event, dict) else None
    return content if isinstance(content, dict) else {}
