"""Going into rooms: which one an alias stands for, and the first words once we are in."""

from __future__ import annotations

import structlog

from bot.matrix.api import MatrixApi
from bot.matrix.content import notice
from bot.matrix.outbox import Outbox
from bot.matrix.rooms import welcome
from commands.rooms import RoomBook
from domain.errors import Refused
from fleet.store.database import Store
from fleet.store.messages import Message

log = structlog.get_logger()


async def resolve(api: MatrixApi, book: RoomBook) -> None:
    """Learn what rooms the aliases in the configuration stand for now. Raises Unreachable and
    RateLimited; an alias that stands for nothing is logged."""
    for alias in book.aliases:
        try:
            book.found(alias, await api.room_id(alias))
        except Refused as error:
            log.warning("room not found", room=alias, why=error.summary)


class Entrance:
    """The way into rooms."""

    def __init__(
        self, api: MatrixApi, store: Store, outbox: Outbox, book: RoomBook, prefix: str | None
    ) -> None:
        self._api = api
        self._store = store
        self._outbox = outbox
        self._book = book
        self._prefix = prefix
        """What commands begin with; None to go in without a word."""
        self._first_words: dict[str, Message] = {}
        """Room -> what is to be said there once it is seen in a sync."""

    async def enter(self, room: str) -> None:
        """Go in, and say once what the bot is. Raises as `MatrixApi.join` does.

        The words are kept before: a bot that is killed in between says them when it is back.
        """
        await resolve(self._api, self._book)
        words = await self._welcome(room)
        if words is not None:
            self._first_words[room] = words
        try:
            await self._api.join(room)
        except Refused:
            if words is not None:
                self._first_words.pop(room, None)
                async with self._store.transaction() as tx:
                    await tx.messages.give_up(words.key)
            raise

    def say_on_arrival(self, message: Message) -> None:
        """Say something in a room we are going into, or are in."""
        if self._api.knows(message.room):
            self._outbox.deliver(message, final=True)
        else:
            self._first_words[message.room] = message

    def arrived(self, room: str) -> None:
        """A sync shows us in a room: now words reach it."""
        if message := self._first_words.pop(room, None):
            self._outbox.deliver(message, final=True)

    async def _welcome(self, room: str) -> Message | None:
        if self._prefix is None:
            return None
        key, place = f"welcome:{room}", self._book.policy.environment(room)
        async with self._store.transaction() as tx:
            said = await tx.messages.get(key)
            if said is not None and said.event_id is not None:
                return None
            return await tx.messages.want(key, room, notice(welcome(self._prefix, place)))
