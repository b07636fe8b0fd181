"""An ordinary Matrix user: what the demo and the tests type with."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from itertools import chain, repeat
from typing import Any

import nio

from bot.matrix.crypto.keyring import Keyring, KeyStore
from bot.matrix.guest_answers import asked
from bot.matrix.guest_events import RoomEvent, is_sealed
from bot.matrix.guest_login import logged_in
from bot.matrix.guest_unread import Unread
from bot.matrix.inbound import Event
from domain.errors import UnknownName, Unreachable

_TIMELINE_LIMIT = 200
_SYNC_FILTER = {
    "presence": {"types": []},
    "account_data": {"types": []},
    "room": {
        "timeline": {"limit": _TIMELINE_LIMIT},
        "ephemeral": {"types": []},
        "account_data": {"types": []},
    },
}
_ENCRYPTED = {
    "type": "m.room.encryption",
    "state_key": "",
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
}
_LONG_POLL = 30.0
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between attempts while the homeserver does not answer; the last one repeats."""
_KEY_EVENTS = (nio.RoomKeyEvent, nio.ForwardedRoomKeyEvent)


class Guest:
    """A user who creates rooms, talks and listens. Knows nothing of bots.

    What is said in an encrypted room is encrypted, for everybody who is in it at that moment.
    """

    def __init__(self, client: nio.AsyncClient, since: str) -> None:
        self.user_id = str(client.user_id)
        self._client = client
        self._since = since
        self._keyring = Keyring(client, asked)
        self._sending = asyncio.Lock()
        self._met: set[str] = set()
        self._unread: dict[str, Unread] = {}

    @classmethod
    @asynccontextmanager
    async def arrive(
        cls, homeserver: str, user_id: str, device_id: str, access_token: str, keys: KeyStore
    ) -> AsyncIterator[Guest]:
        """Log in by token for as long as the block lasts. Raises OpsError when that fails.

        `keys` belong to the device. Without those it had, raises StoreLost: come as another.
        """
        login = logged_in(homeserver, user_id, device_id, access_token, keys)
        async with login as (client, since):
            guest = cls(client, since)
            await guest._keyring.tend()
            yield guest

    async def create_room(
        self, alias: str, name: str, invite: tuple[str, ...] = (), *, encrypted: bool = False
    ) -> str:
        """A private room under a local alias (`ops`, not `#ops:server`). Its id."""
        call = self._client.room_create(
            alias=alias,
            name=name,
            invite=invite,
            preset=nio.RoomPreset.private_chat,
            initial_state=[_ENCRYPTED] if encrypted else [],
        )
        return str((await asked(call)).room_id)

    async def find_room(self, alias: str) -> str | None:
        """The id behind `#ops:server`, None when nothing goes by that name."""
        try:
            return str((await asked(self._client.room_resolve_alias(alias))).room_id)
        except UnknownName:
            return None

    async def encrypted(self, room: str) -> bool:
        """Whether what is said there has to be encrypted. It stays so once it is."""
        known = self._client.rooms.get(room)
        if known is not None and known.encrypted:
            return True
        try:
            await asked(self._client.room_get_state_event(room, "m.room.encryption"))
        except UnknownName:
            return False
        return True

    async def invite(self, room: str, user_id: str) -> None:
        """Ask somebody in who is not there yet."""
        await asked(self._client.room_invite(room, user_id))

    async def join(self, room: str) -> None:
        """Enter a room one was invited to."""
        await asked(self._client.join(room))

    async def members(self, room: str) -> frozenset[str]:
        """Who has joined."""
        answer = await asked(self._client.joined_members(room))
        return frozenset(member.user_id for member in answer.members)

    async def say(self, room: str, text: str) -> str:
        """Send plain text. The id of its event."""
        return await self.send(room, "m.room.message", {"msgtype": "m.text", "body": text})

    async def edit(self, room: str, event_id: str, text: str) -> str:
        """Replace what an earlier message of one's own says."""
        content = {
            "msgtype": "m.text",
            "body": f"* {text}",
            "m.new_content": {"msgtype": "m.text", "body": text},
            "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
        }
        return await self.send(room, "m.room.message", content)

    async def send(self, room: str, kind: str, content: Mapping[str, Any]) -> str:
        """Send any event. Its id. Raises Refused when the homeserver will not have it."""
        async with self._sending:
            if await self.encrypted(room):
                await self._meet(room)
                await self._keyring.share(room)
            else:
                self._known(room)
            call = self._client.room_send(room, kind, dict(content), ignore_unverified_devices=True)
            return str((await asked(call)).event_id)

    async def follow(self, room: str) -> AsyncGenerator[RoomEvent, None]:
        """Everything said in the room since this guest arrived, then whatever is said next.

        Loses nothing, however fast it comes, and outlasts a homeserver that goes away for a
        while. What cannot be decrypted holds up what was said after it for a few seconds, is
        then shown as unreadable, and again should its key come after all. Raises NotPermitted
        once the login is no longer good. Follow once at a time.
        """
        unread = self._unread.setdefault(room, Unread(partial(self._keyring.open, room)))
        while True:
            while (event := unread.take(time.monotonic())) is not None:
                yield event
            wait = unread.wait(time.monotonic())
            await self._hear(room, unread, _LONG_POLL if wait is None else wait)

    async def _hear(self, room: str, unread: Unread, seconds: float) -> None:
        """Take in what is new, waiting so long for it if there is nothing."""
        news = await _patiently(
            lambda: self._client.sync(
                round(min(seconds, _LONG_POLL) * 1000) + 1,
                sync_filter=_SYNC_FILTER,
                since=self._since,
            )
        )
        joined = news.rooms.join.get(room)
        events = await self._complete(room, joined.timeline) if joined else []
        self._since = news.next_batch
        unread.add(events, time.monotonic())
        if any(isinstance(event, _KEY_EVENTS) for event in news.to_device_events):
            unread.keys_came()
        await self._keyring.tend()
        for event in filter(is_sealed, events):
            await self._keyring.request(room, event)

    async def _complete(self, room: str, timeline: nio.Timeline) -> list[Event]:
        """The timeline's events with whatever a limited sync left out, oldest first."""
        events = [event.source for event in timeline.events]
        start = timeline.prev_batch if timeline.limited else None
        while start is not None:
            page = await _patiently(
                partial(self._client.room_messages, room, start, self._since, limit=_TIMELINE_LIMIT)
            )
            events[:0] = [event.source for event in reversed(page.chunk)]
            start = page.end if page.chunk else None
        return events

    async def _meet(self, room: str) -> None:
        """Before the first word: who is there, and with which devices, as of now."""
        self._known(room).encrypted = True
        if room not in self._met:
            members = await self.members(room)
            self._client.olm.add_changed_users(members)
            self._met.add(room)

    def _known(self, room: str) -> nio.MatrixRoom:
        """The room as nio sees it, which sends to none that it has not heard of in a sync."""
        if room not in self._client.rooms:
            self._client.rooms[room] = nio.MatrixRoom(room, self.user_id)
        return self._client.rooms[room]


async def _patiently(call: Callable[[], Awaitable[Any]]) -> Any:
    """Ask until the homeserver answers."""
    for pause in chain(_PAUSES, repeat(_PAUSES[-1])):
        try:
            return await asked(call())
        except Unreachable:
            await asyncio.sleep(pause)
    return None
