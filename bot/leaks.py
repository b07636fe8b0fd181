"""What went out in the clear is said again, encrypted, and taken away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bot.matrix.answers import RateLimited
from bot.matrix.attachments import ATTACHED
from bot.matrix.content import notice, transaction_id
from bot.matrix.leaks import Leak
from bot.matrix.slots import first_parts
from domain.clock import Clock
from domain.errors import Refused, Unreachable
from fleet.store.database import Store, Transaction
from fleet.store.messages import Message

log = structlog.get_logger()

AGAIN = 5.0
"""Seconds before something that could not be taken away is tried again."""

_FILE_IS_GONE = (
    "A file of mine went out unencrypted as encryption was turned on, and I took the message away. "
    "Ask again for what was in it."
)


async def repaired(leak: Leak, tx: Transaction) -> Message | None:
    """Note that a leak is to be taken away, and have its message say again what it should.

    None where there is nothing to be said again: it was found before, or the message is gone, or
    this state knows of none and will send what it knows of by itself.
    """
    if not await tx.leaks.note(leak.event_id, leak.room, leak.at):
        return None
    log.warning("went out in the clear", room=leak.room, event_id=leak.event_id, edit=leak.edits)
    message = await tx.messages.by_event(leak.room, leak.event_id)
    if message is None and leak.edits:
        edited = await tx.messages.by_event(leak.room, leak.edits)
        if edited is not None:
            return await tx.messages.anew(edited.key, whole=False)
    message = message or await _under_way(leak, tx)
    if message is None:
        return None
    if ATTACHED in message.wanted and await tx.files.get(message.key) is None:
        message = await tx.messages.want(message.key, message.room, notice(_FILE_IS_GONE))
    return await tx.messages.anew(message.key, whole=True)


async def _under_way(leak: Leak, tx: Transaction) -> Message | None:
    """The message whose event was not noted yet: the answer to its sending was not there so far,
    or came to a bot that is no more."""
    for message in await tx.messages.unsaid():
        parts = first_parts(message.key, message.attempt)
        mine = leak.transaction in (
            transaction_id(*parts),
            transaction_id(*parts, message.wanted, message.posted),
        )
        if mine and message.room == leak.room and message.event_id is None:
            return message
    return None


Remove = Callable[[str, str], Awaitable[None]]
"""Takes an event out of a room. Raises Refused, RateLimited, Unreachable or LoggedOut."""


class Withdrawals:
    """Takes leaks away, those that an earlier run found included. It says no reason: redactions are
    never encrypted."""

    def __init__(self, store: Store, clock: Clock, remove: Remove) -> None:
        self._store = store
        self._clock = clock
        self._remove = remove
        self._wake = asyncio.Event()
        self._wake.set()

    def wake(self) -> None:
        """There is something to be taken away."""
        self._wake.set()

    async def run(self) -> None:
        """Take away what there is, for ever. Raises LoggedOut."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if wait := await self.work():
                await self._clock.sleep(wait)
                self._wake.set()

    async def work(self) -> float:
        """Take everything away once. Returns after how many seconds to go on; 0 if all is gone."""
        async with self._store.transaction() as tx:
            left = await tx.leaks.left()
        for room, event_id in left:
            try:
                await self._remove(room, event_id)
                log.info("taken back", room=room, event_id=event_id)
            except Refused as error:
                log.error("stays in the clear", room=room, event_id=event_id, why=error.summary)
            except RateLimited as error:
                return error.seconds
            except Unreachable as error:
                log.warning("not taken back yet", room=room, why=error.summary)
                return AGAIN
            async with self._store.transaction() as tx:
                await tx.leaks.removed(event_id)
        return 0.0
