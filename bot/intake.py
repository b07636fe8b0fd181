"""Readings -> filed operations -> work. The first half is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from bot.matrix.content import notice
from bot.matrix.inbound import Message, command
from bot.matrix.outbox import Outbox
from bot.matrix.session import Reading
from commands.grammar import Grammar
from domain.clock import Clock
from domain.operations import Operation, operation_id
from fleet.store.database import Store, Transaction
from fleet.store.messages import Message as Said
from fleet.store.sealed import SealedEvent

log = structlog.get_logger()

UNREADABLE = (
    "✗ I cannot read an encrypted message of {sender}: its key was not shared with me. "
    "I asked for it, and if it comes soon the message counts as said. Otherwise say it again; "
    "if that does not help, see whether your client withholds keys from unverified devices."
)


class Intake:
    """Where commands become operations."""

    def __init__(
        self,
        store: Store,
        grammar: Grammar,
        outbox: Outbox,
        clock: Clock,
        user_id: str,
        prefix: str,
        work: Callable[[Operation], None],
    ) -> None:
        self._store = store
        self._grammar = grammar
        self._outbox = outbox
        self._clock = clock
        self._user_id = user_id
        self._prefix = prefix
        self._work = work

    async def file(self, reading: Reading) -> None:
        """Keep what was said together with how far was read, then have it worked on.

        After a crash on either side of the commit, nothing is lost and nothing is done twice.
        """
        found = [operation for each in reading.said if (operation := self._operation(each))]
        async with self._store.transaction() as tx:
            filed = await tx.operations.file(found)
            await tx.positions.reached(self._user_id, reading.token)
            await tx.sealed.drop(reading.opened)
            await tx.sealed.keep(reading.sealed)
            notices = [said for each in reading.sealed if (said := await self._notice(tx, each))]
        for message in notices:
            self._outbox.deliver(message, final=True)
        for operation in filed:
            verb = operation.text.split(maxsplit=1)[0][:40]
            log.info("filed", operation=operation.id, sender=operation.sender, verb=verb)
            self._work(operation)

    async def file_own(self, operation: Operation) -> None:
        """Keep an operation of the bot's own, then have it worked on."""
        async with self._store.transaction() as tx:
            filed = await tx.operations.file([operation])
        for each in filed:
            self._work(each)

    async def still_sealed(self) -> Sequence[SealedEvent]:
        """What could not be read so far."""
        async with self._store.transaction() as tx:
            return await tx.sealed.all()

    async def _notice(self, tx: Transaction, event: SealedEvent) -> Said | None:
        """Say that something cannot be read: once a room, however much it is."""
        key = f"sealed:{event.room}"
        log.warning("cannot be read", room=event.room, event_id=event.event_id)
        if await tx.messages.get(key) is not None:
            return None
        text = UNREADABLE.format(sender=event.event.get("sender", "somebody"))
        return await tx.messages.want(key, event.room, notice(text))

    def _operation(self, message: Message) -> Operation | None:
        text = command(message.body, self._prefix)
        if text is None:
            return None
        verb = self._grammar.verb(text)
        return Operation(
            id=operation_id(message.event_id),
            origin=message.event_id,
            room=message.room,
            sender=message.sender,
            text=text,
            said_at=message.at,
            changes=verb is not None and verb.changes,
        )
