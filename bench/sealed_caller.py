"""The measuring user in an encrypted room: an ordinary client, the same for every bot.

What it takes to encrypt and to decrypt is part of each latency, for every bot alike. Nothing else
is in its way: messages leave at once, not one after the other, once their key is shared.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nio
from pydantic import SecretStr

from bench.caller import Listener
from bot.demo.homeserver import Account
from bot.matrix.crypto.keyring import Keyring, KeyStore
from bot.matrix.guest_answers import asked
from bot.matrix.guest_events import is_sealed
from bot.matrix.guest_login import logged_in
from bot.matrix.inbound import Event
from domain.errors import OpsError

_ENCRYPTED = {
    "type": "m.room.encryption",
    "state_key": "",
    "content": {"algorithm": "m.megolm.v1.aes-sha2"},
}
_NOTHING: dict[str, list[str]] = {"types": []}
_LONG_POLL = 30_000


class SealedCaller:
    """One user with one encrypted room, who talks there and hears what is said."""

    def __init__(self, client: nio.AsyncClient) -> None:
        self.user_id = str(client.user_id)
        self._client = client
        self._keyring = Keyring(client, asked)
        self._sharing = asyncio.Lock()
        self._listeners: list[Listener] = []
        self._unread: list[Event] = []
        """Came before its key did."""

    @classmethod
    @asynccontextmanager
    async def arrive(cls, url: str, account: Account, folder: Path) -> AsyncIterator[SealedCaller]:
        """Listen for as long as the block lasts. What was said before is not heard."""
        keys = KeyStore(folder, SecretStr(account.password))
        login = (url, account.user_id, account.device_id, account.access_token)
        async with logged_in(*login, keys) as (client, since):
            caller = cls(client)
            await caller._keyring.tend()
            listening = asyncio.create_task(caller._listen(since), name=caller.user_id)
            try:
                yield caller
            finally:
                listening.cancel()
                await asyncio.wait({listening})
            if not listening.cancelled():
                listening.result()

    def listen(self, listener: Listener) -> None:
        """Have every message from now on told to this listener as well, in clear."""
        self._listeners.append(listener)

    async def create_room(self, alias: str, invite: str) -> str:
        """A private, encrypted room with somebody invited. Its id."""
        call = self._client.room_create(
            alias=alias,
            invite=(invite,),
            preset=nio.RoomPreset.private_chat,
            initial_state=[_ENCRYPTED],
        )
        room = str((await asked(call)).room_id)
        # nio sends to no room that it has not heard of, and this one it will hear of later.
        self._client.rooms[room] = nio.MatrixRoom(room, self.user_id, encrypted=True)
        return room

    async def joined(self, room: str) -> frozenset[str]:
        """Who is in a room."""
        answer = await asked(self._client.joined_members(room))
        return frozenset(member.user_id for member in answer.members)

    async def say(self, room: str, text: str) -> str:
        """Send text, encrypted for everybody who is there. The id of its event."""
        async with self._sharing:
            await self._keyring.share(room)
        content = {"msgtype": "m.text", "body": text}
        call = self._client.room_send(
            room, "m.room.message", content, ignore_unverified_devices=True
        )
        return str((await asked(call)).event_id)

    async def _listen(self, since: str) -> None:
        while True:
            news = await asked(
                self._client.sync(_LONG_POLL, sync_filter=self._filter(), since=since)
            )
            since = news.next_batch
            for room, joined in news.rooms.join.items():
                if joined.timeline.limited and self._listeners:
                    raise OpsError("the measuring user itself missed messages")
                self._unread += [event.source for event in joined.timeline.events]
                self._read(room)
            await self._keyring.tend()

    def _read(self, room: str) -> None:
        waiting, self._unread = self._unread, []
        for event in waiting:
            opened = self._keyring.open(room, event) if is_sealed(event) else event
            if opened is None:
                self._unread.append(event)
                continue
            at = time.perf_counter()
            for listener in self._listeners:
                listener(opened, at)

    def _filter(self) -> dict[str, Any]:
        """Nothing but keys, members and what others say."""
        return {
            "presence": _NOTHING,
            "account_data": _NOTHING,
            "room": {
                "timeline": {
                    "limit": 100,
                    "not_senders": [self.user_id],
                    "types": ["m.room.message", "m.room.encrypted", "m.room.member"],
                },
                "state": {"types": ["m.room.member", "m.room.encryption"]},
                "ephemeral": _NOTHING,
                "account_data": _NOTHING,
            },
        }
