"""What a room is told of the end of an operation: by which messages, in which words."""

from __future__ import annotations

from datetime import datetime

from bot.matrix.attachments import attachment
from bot.matrix.content import attributed, brief, overflow, told
from commands.replies import Call, Enclosure, Reply, duration
from domain.operations import Operation, State
from domain.people import has_account
from fleet.store.database import Transaction
from fleet.store.files import File
from fleet.store.messages import Message, key_of

LONG = 60.0
"""Seconds after which the end of an operation is worth a notification."""


class Ending:
    """The end of one operation."""

    def __init__(self, operation: Operation, reply: Reply, state: State, prefix: str) -> None:
        self._operation = operation
        self._reply = reply
        self._state = state
        self._prefix = prefix
        self._key = key_of(operation.id)

    async def keep(self, tx: Transaction, now: datetime) -> list[Message]:
        """Keep what is to be said, and return it in the order it is to be said in.

        A gesture that did what it should gets no words: what it was about tells the rest.
        """
        operation = self._operation
        if operation.quiet:
            return [] if self._reply.ok else [await self._refusal(tx)]
        messages = await self._outcome(tx)
        took = (now - (operation.started_at or now)).total_seconds()
        if took > LONG and has_account(operation.sender):
            messages.append(await self._call(tx, took))
        return messages + [
            await self._told(tx, f"{self._key}:told:{number}", call)
            for number, call in enumerate(self._reply.calls)
        ]

    async def _outcome(self, tx: Transaction) -> list[Message]:
        operation = self._operation
        blocks = attributed(self._reply.blocks, operation)
        content = told(blocks, operation, self._state, self._prefix)
        messages = [await tx.messages.want(self._key, operation.room, content)]
        if messages[0].redacted:
            messages.append(
                await tx.messages.want(f"{self._key}:end", operation.room, brief(content))
            )
        text = overflow(blocks, self._prefix)
        to = messages[-1].key
        if text is not None:
            messages.append(await self._file(tx, text, to))
        for number, file in enumerate(self._reply.files):
            messages.append(await self._enclosed(tx, f"{self._key}:file:{number}", file, to))
        return messages

    async def _file(self, tx: Transaction, text: str, to: str) -> Message:
        """The whole text, in the thread of the message that shows its two ends."""
        key, operation = f"{self._key}:file", self._operation
        name = f"{operation.text.split()[0]}-{operation.id}.txt"
        await tx.files.keep(key, File(name, text))
        return await tx.messages.want(key, operation.room, attachment(name, to))

    async def _enclosed(self, tx: Transaction, key: str, file: Enclosure, to: str) -> Message:
        await tx.files.keep(key, File(file.name, file.text))
        return await tx.messages.want(key, self._operation.room, attachment(file.name, to))

    async def _call(self, tx: Transaction, took: float) -> Message:
        """A message that notifies the person who asked, since edits notify nobody."""
        operation = self._operation
        line = f"{operation.sender}: after {duration(took)}, {self._reply.summary}"
        sender = operation.sender
        content = told((line,), operation, self._state, self._prefix, mention=(sender,))
        return await tx.messages.want(f"{self._key}:call", operation.room, content)

    async def _told(self, tx: Transaction, key: str, call: Call) -> Message:
        """Words for somebody in particular. In another room they are a reply to nothing."""
        operation, line = self._operation, f"{call.person}: {call.text}"
        content = told((line,), operation, self._state, self._prefix, mention=(call.person,))
        room = call.room or operation.room
        if room != operation.room:
            content.pop("m.relates_to", None)
        return await tx.messages.want(key, room, content)

    async def _refusal(self, tx: Transaction) -> Message:
        line = f"{self._operation.sender}: {self._reply.summary}"
        content = told((line,), self._operation, self._state, self._prefix)
        return await tx.messages.want(self._key, self._operation.room, content)
