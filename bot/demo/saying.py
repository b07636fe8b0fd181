"""Says prepared lines and waits for what becomes of each: a demo without a person."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

from bot.demo.printers import Printer
from bot.demo.scene import Scene
from bot.demo.transcript import note_of
from bot.matrix.guest_events import RoomEvent
from domain.errors import OpsError
from domain.operations import State

PREFIX = "!"


class NoAnswer(OpsError):
    """Nothing happened in the room for longer than anybody wants to wait."""


async def say_all(
    scene: Scene,
    lines: Sequence[str],
    printer: Printer,
    complain: Callable[[str], None],
    patience: float,
) -> bool:
    """Say each line once the one before has ended. True if every one of them succeeded."""
    succeeded = True
    async with aclosing(_shown(scene, printer)) as events:
        for line in lines:
            try:
                complaint = await _say(scene, line, events, patience)
            except NoAnswer as error:
                complain(error.summary)
                return False
            if complaint:
                complain(complaint)
                succeeded = False
    return succeeded


def end_of(event: RoomEvent, command: str, bot: str) -> State | None:
    """The state a command ended in, if the event says so; its id is what the bot goes by."""
    note = note_of(event)
    if note is None or event.sender != bot or note.event != command:
        return None
    return note.state if note.state.ended else None


async def _say(
    scene: Scene, line: str, events: AsyncGenerator[RoomEvent, None], patience: float
) -> str | None:
    """Say one line and read along until it has ended. What is wrong with that, if anything."""
    try:
        said = await scene.guest.say(scene.room, line)
    except OpsError as error:
        return f"`{_short(line)}` was not sent: {error.summary}"
    is_command = line.startswith(PREFIX)
    while True:
        try:
            async with asyncio.timeout(patience):
                event = await anext(events)
        except TimeoutError:
            raise NoAnswer(f"nobody answered `{_short(line)}` within {patience:g} s") from None
        if not is_command and event.event_id == said:
            return f"`{_short(line)}` is not a command: they begin with {PREFIX}"
        state = end_of(event, said, scene.bot)
        if state is not None:
            return None if state is State.SUCCEEDED else f"`{_short(line)}` {state}"


async def _shown(scene: Scene, printer: Printer) -> AsyncGenerator[RoomEvent, None]:
    async with aclosing(scene.guest.follow(scene.room)) as events:
        async for event in events:
            printer.show(event)
            yield event


def _short(line: str) -> str:
    first = line.partition("\n")[0]
    return first if len(first) <= 60 and first == line else f"{first[:60]}..."
