"""Messages for an outbox, kept first as the worker keeps them."""

import asyncio

from bot.matrix.outbox import Outbox

from .homeserver import ROOM


def words(text):
    return {"msgtype": "m.notice", "body": text, "m.mentions": {}}


class Voice:
    """An outbox, and messages for it that are kept first as the worker keeps them."""

    def __init__(self, homeserver, store, clock):
        self.homeserver, self.store = homeserver, store
        self.outbox = Outbox(homeserver, store, clock)

    async def say(self, key, text, room=ROOM, *, final=True):
        async with self.store.transaction() as tx:
            message = await tx.messages.want(key, room, words(text))
        self.outbox.deliver(message, final=final)

    def show(self, key, text, room=ROOM):
        self.outbox.show(key, room, words(text))

    async def unsaid(self):
        async with self.store.transaction() as tx:
            return [message.key for message in await tx.messages.unsaid()]

    async def all_said(self):
        for _ in range(2000):
            if not await self.unsaid():
                return
            await asyncio.sleep(0.001)
        raise AssertionError(await self.unsaid())


async def quiet():
    """Let everybody go on who can."""
    for _ in range(50):
        await asyncio.sleep(0.0005)
