"""Whether a room is encrypted, so that nothing is sent in the clear by mistake."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from contextlib import AbstractAsyncContextManager
from urllib.parse import quote

import nio

from bot.matrix.answers import NotThere
from bot.matrix.line import Line
from domain.errors import Unreachable

SURE_FOR = 0.05
"""Seconds for which a room that was found unencrypted, by asking or by a sync, is believed so: no
longer than a message may be on its way anyway."""


class Certainty:
    """What is known of rooms, and asked where that is too old."""

    def __init__(self, client: nio.AsyncClient, line: Line) -> None:
        self._client = client
        self._line = line
        self._sure_until: dict[str, float] = {}
        self._asking: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._synced_at = -SURE_FOR
        self._all_known = False
        """True once every room we are in was seen."""

    def synced(self) -> None:
        """A sync has just told what is new."""
        self._synced_at = time.monotonic()

    def all_known(self) -> None:
        """A sync has told of every room there is."""
        self._all_known = True

    def turn(self, room: str) -> AbstractAsyncContextManager[None]:
        """One at a time asks about a room; the others then know."""
        return self._asking[room]

    def encrypted(self, room: str) -> bool:
        """Whether the room is known to be encrypted."""
        known = self._client.rooms.get(room)
        return bool(known and known.encrypted)

    async def make_sure(self, room: str) -> None:
        """Before anything is sent in the clear: ask whether the room is still as we know it.

        Encryption may have been turned on since the last sync. Once on, it stays on.
        """
        known = self._client.rooms.get(room)
        if known is None and self._all_known:
            raise NotThere(f"the bot is not in {room}")
        if known is None:
            raise Unreachable(f"{room} is not known yet")
        sure_until = max(self._sure_until.get(room, 0.0), self._synced_at + SURE_FOR)
        if known.encrypted or time.monotonic() < sure_until:
            return
        path = f"/_matrix/client/v3/rooms/{quote(room, safe='')}/state/m.room.encryption"
        answer = await self._line.request("GET", path)
        if answer.status == 200:
            known.encrypted = True
        elif answer.errcode != "M_NOT_FOUND":
            raise Unreachable(f"whether {room} is encrypted cannot be told: {answer.errcode}")
        self._sure_until[room] = time.monotonic() + SURE_FOR
