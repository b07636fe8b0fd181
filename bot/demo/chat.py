"""A person in the room: what they type is said, what is said they see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing

from bot.demo.printers import Printer
from bot.demo.saying import PREFIX
from bot.demo.scene import Scene
from bot.demo.transcript import note_of
from domain.errors import OpsError


class Chat:
    """One conversation, and which commands of it are still being carried out."""

    def __init__(self, scene: Scene, printer: Printer, complain: Callable[[str], None]) -> None:
        self._scene = scene
        self._printer = printer
        self._complain = complain
        self._asked: set[str] = set()
        self._ended: set[str] = set()
        self._news = asyncio.Event()

    async def run(self, lines: AsyncIterator[str], patience: float | None) -> None:
        """Until the lines end; then, unless `patience` is None, until all they asked for has
        ended or nothing was heard for so many seconds."""
        following = asyncio.create_task(self._follow(), name="follow the room")
        talking = asyncio.create_task(self._talk(lines, patience), name="talk")
        try:
            done, _ = await asyncio.wait({following, talking}, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (talking, following):
                task.cancel()
            await asyncio.gather(talking, following, return_exceptions=True)

    async def _follow(self) -> None:
        async with aclosing(self._scene.guest.follow(self._scene.room)) as events:
            async for event in events:
                self._printer.show(event)
                note = note_of(event)
                if note and note.state.ended and event.sender == self._scene.bot:
                    self._ended.add(note.event)
                self._news.set()

    async def _talk(self, lines: AsyncIterator[str], patience: float | None) -> None:
        async for line in lines:
            try:
                said = await self._scene.guest.say(self._scene.room, line)
            except OpsError as error:
                self._complain(f"not sent: {error.summary}")
            else:
                if line.startswith(PREFIX):
                    self._asked.add(said)
        while patience is not None and self._asked - self._ended:
            self._news.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._news.wait()
            except TimeoutError:
                self._complain(f"nothing was heard for {patience:g} s")
                return
