"""The admins' room: what is wrong with other rooms is told there, once."""

from __future__ import annotations

import asyncio

import structlog

from bot.matrix.answers import RateLimited
from bot.matrix.api import MatrixApi
from bot.matrix.outbox import Outbox
from bot.matrix.rooms import Powers, mute
from commands.rooms import RoomBook
from domain.errors import Refused, Unreachable
from fleet.store.database import Store

log = structlog.get_logger()


class Admins:
    """Those who look after the bot."""

    def __init__(self, api: MatrixApi, store: Store, outbox: Outbox, book: RoomBook) -> None:
        self._api = api
        self._store = store
        self._outbox = outbox
        self._book = book

    async def tell(self, key: str, text: str) -> None:
        """Say something under a key, unless it was said before. Without a room nothing is said:
        the log has it."""
        room = self._book.admin_room
        if room is None:
            return
        async with self._store.transaction() as tx:
            if await tx.messages.get(f"admins:{key}") is not None:
                return
            content = {"msgtype": "m.text", "body": text, "m.mentions": {}}
            message = await tx.messages.want(f"admins:{key}", room, content)
        self._outbox.deliver(message, final=True)

    async def hear(self, forbidden: asyncio.Queue[str]) -> None:
        """Tell of rooms that do not let the bot speak, for ever. Raises LoggedOut."""
        while True:
            room = await forbidden.get()
            upgraded = self._book.successor(room) is not None  # nobody may speak there any more
            if room != self._book.admin_room and not upgraded:
                await self._mute(room)

    async def _mute(self, room: str) -> None:
        api, name = self._api, self._api.name(room)
        try:
            create = await api.state(room, "m.room.create")
            levels = await api.state(room, "m.room.power_levels")
        except Refused:
            return  # no longer in there, which is told by itself
        except (Unreachable, RateLimited):
            create = levels = None
        kind = "m.room.encrypted" if api.encrypted(room) else "m.room.message"
        text = mute(room, name, Powers.of(create, levels), api.user_id, kind)
        log.error("may not speak", room=room, why=text)
        await self.tell(f"mute:{room}", text)
