"""What people said and did -> operations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bot.declined import Declined, declined
from bot.keeping import kept
from bot.matrix.gestures import Reaction
from bot.matrix.inbound import Message, command
from bot.matrix.session import Reading
from bot.submissions import Submission
from commands.batch import Batch
from commands.conversation import opening
from commands.enclosed import enclosing
from commands.grammar import Grammar
from commands.infer import Infer, turn_text
from domain.errors import UsageError
from domain.operations import Operation, operation_id
from fleet.store.database import Transaction


class Requests:
    """Tells requests from talk."""

    def __init__(self, grammar: Grammar, prefix: str, holds_secret: Callable[[str], bool]) -> None:
        self._grammar = grammar
        self._prefix = prefix
        self._holds_secret = holds_secret
        """Whether one of the bot's own secrets stands in a text."""

    async def file(
        self, reading: Reading, tx: Transaction
    ) -> tuple[list[Operation], list[Declined]]:
        """Keep what was asked for, words before gestures. Returns what is new, in order, and what
        was declined."""
        filed: list[Operation] = []
        refused: list[Declined] = []
        typed: list[Operation] = []
        for message in reading.said:
            if message.thread is not None:  # it may go on with something said just before it
                filed += await tx.operations.file(typed)
                typed.clear()
            match await self._typed(message, tx):
                case Operation() as operation:
                    typed.append(operation)
                case Declined() as each:
                    refused.append(each)
        filed += await tx.operations.file(typed)
        for reaction in reading.reactions:
            made = await _gesture(reaction, tx) or await kept(reaction, tx)
            filed += await tx.operations.file([made]) if made else []
        return filed, refused

    def submitted(self, said: Submission) -> Operation | Declined:
        """What a webhook or a schedule asks for. It says which command, and nothing of how that is
        to be treated."""
        message = said.message
        refused = declined(message, message.body, ours=self._holds_secret(message.body))
        return refused or self._operation(message, message.body)

    async def _typed(self, message: Message, tx: Transaction) -> Operation | Declined | None:
        text = command(message.body, self._prefix)
        service = await self._partner(message, tx)
        if text is None and service and message.body.strip() and not message.file:
            text = turn_text(service, message.body)
        if text is None:
            return None
        if refused := declined(message, text, ours=self._holds_secret(message.body)):
            return refused
        verb = self._grammar.verb(text)
        asks = verb is not None and verb.request is Infer
        batch = verb is not None and verb.request is Batch
        enclosed = message.enclosed or (message.thread if batch else None)
        if enclosed is not None and _names_none(self._request(text)):
            text = enclosing(text, enclosed)
        talks = service is not None and asks
        return self._operation(message, text, message.thread if talks or batch else None)

    def _operation(self, message: Message, text: str, thread: str | None = None) -> Operation:
        return Operation(
            id=operation_id(message.event_id),
            origin=message.event_id,
            room=message.room,
            sender=message.sender,
            text=text,
            said_at=message.at,
            changes=self._grammar.changes(text),
            thread=thread,
            device=message.device,
            vouched=message.vouched,
        )

    async def _partner(self, message: Message, tx: Transaction) -> str | None:
        """The service that a message in a thread is for: the last one that answered there."""
        if message.thread is None:
            return None
        began = await opening(message.thread, message.room, tx)
        if began is None:
            return None
        request = self._request(began.text)
        if not isinstance(request, Infer):
            return None
        said = await tx.turns.of(message.thread, began.id)
        return said[-1].service if said else request.name

    def _request(self, text: str) -> Any:
        """What a command asks for; None for one that is not understood."""
        try:
            return self._grammar.parse(text).request
        except UsageError:
            return None


def _names_none(request: Any) -> bool:
    """Whether a picture or file can go with it, and none is named yet."""
    if isinstance(request, Batch):
        return request.file is None
    return isinstance(request, Infer) and request.image is None


async def _gesture(reaction: Reaction, tx: Transaction) -> Operation | None:
    """What a reaction under a message about an operation asks for, as the command that says it."""
    message = await tx.messages.by_event(reaction.room, reaction.to)
    about = await tx.operations.get(message.operation) if message and message.operation else None
    if about is None or about.state.ended or (verb := _meant(reaction, about)) is None:
        return None
    return reaction.saying(f"{verb} {about.id}")


def _meant(reaction: Reaction, about: Operation) -> str | None:
    """Crossing out is cancelling; a thumb decides about what waits for people to decide."""
    if reaction.stops:
        return "cancel"
    if about.waits and (reaction.agrees or reaction.disagrees):
        return "approve" if reaction.agrees else "deny"
    return None
