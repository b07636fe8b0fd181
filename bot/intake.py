"""Messages -> filed operations -> work. The first half is one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from bot.matrix.inbound import Message, command
from commands.grammar import Grammar
from domain.operations import Operation, operation_id
from fleet.store.database import Store

log = structlog.get_logger()


class Intake:
    """Where commands become operations."""

    def __init__(
        self,
        store: Store,
        grammar: Grammar,
        user_id: str,
        prefix: str,
        work: Callable[[Operation], None],
    ) -> None:
        self._store = store
        self._grammar = grammar
        self._user_id = user_id
        self._prefix = prefix
        self._work = work

    async def file(self, token: str, said: Sequence[Message]) -> None:
        """Keep what was said together with how far was read, then have it worked on.

        After a crash on either side of the commit, nothing is lost and nothing is done twice.
        """
        found = [operation for message in said if (operation := self._operation(message))]
        async with self._store.transaction() as tx:
            filed = await tx.operations.file(found)
            await tx.positions.reached(self._user_id, token)
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
