"""Conversations: an `!infer`, and what is said in the thread on it or on its answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import groupby
from typing import Final
from weakref import WeakValueDictionary

from domain.operations import Operation, State
from fleet.store.database import Store, Transaction
from fleet.store.turns import KeptTurn
from inference.client import Turn

CHARACTERS = 3
"""To a token, reckoned low: English has four, and the rest is left for the answer."""

ANSWER: Final = "assistant"
"""The role of what a model said."""

DEFAULT_BUDGET = 3000
"""Characters of a conversation that are sent to a service of which no context was asked for."""


def budget(context: int | None) -> int:
    """Characters that may be sent to a service with a context of so many tokens."""
    return CHARACTERS * context if context else DEFAULT_BUDGET


def answerer(name: str, *, alone: bool) -> str:
    """The role under which an answer is kept: of several to one prompt, each under its own."""
    return ANSWER if alone else f"{ANSWER}:{name}"


def recalled(
    earlier: Sequence[KeptTurn], own: Sequence[Turn], characters: int, name: str = ""
) -> tuple[Turn, ...]:
    """What a model is sent: earlier prompts with their answers, then its own.

    Of several answers to a prompt it is sent the one it gave itself under that name, and else the
    first.

    The oldest of them are dropped, a prompt and its answer together, until everything has so
    many characters. What the model was last told to be stays, and so does the new prompt,
    whatever they take.
    """
    told = [Turn("system", each.text) for each in earlier if each.role == "system"]
    system = [*told, *(turn for turn in own if turn.role == "system")][-1:]
    prompt = [turn for turn in own if turn.role != "system"]
    left = characters - _length([*system, *prompt])
    kept: list[Turn] = []
    for exchange in reversed(_exchanges(earlier, name)):
        left -= _length(exchange)
        if left < 0:
            break
        kept[:0] = exchange
    return (*system, *kept, *prompt)


async def opening(thread: str, room: str, tx: Transaction) -> Operation | None:
    """The operation a thread hangs on, by its command or by the message about it.

    None for a thread on something else, and for one on a failure: people talk about those.
    """
    message = await tx.messages.by_event(room, thread)
    if message is not None:
        found = await tx.operations.get(message.operation) if message.operation else None
    else:
        found = await tx.operations.by_origin(thread)
    open_ended = (State.FILED, State.RUNNING, State.SUCCEEDED)
    if found is None or found.room != room or found.state not in open_ended or found.thread:
        return None
    return found


class Conversations:
    """Who has the floor. In one conversation answers come one after the other."""

    def __init__(self) -> None:
        self._floors: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def floor(self, operation: Operation, store: Store) -> AsyncIterator[list[KeptTurn]]:
        """Wait for one's turn in the conversation an operation is part of.

        Yields what was said in it before, oldest first.
        """
        thread, began = operation.thread, None
        if thread is not None:
            async with store.transaction() as tx:
                began = await opening(thread, operation.room, tx)
        first = (began or operation).id
        floor = self._floors.setdefault(first, asyncio.Lock())
        async with floor:
            said: list[KeptTurn] = []
            if thread is not None:
                async with store.transaction() as tx:
                    said = await tx.turns.of(thread, first)
            yield [turn for turn in said if turn.operation != operation.id]


def _exchanges(earlier: Sequence[KeptTurn], name: str) -> list[list[Turn]]:
    own, exchanges = answerer(name, alone=False), []
    for _, group in groupby(earlier, key=lambda each: each.operation):
        said = {each.role: each.text for each in group}
        first = next(text for role, text in said.items() if role.startswith(ANSWER))
        exchanges.append([Turn("user", said["user"]), Turn(ANSWER, said.get(own, first))])
    return exchanges


def _length(turns: Sequence[Turn]) -> int:
    return sum(len(turn.text) for turn in turns)
