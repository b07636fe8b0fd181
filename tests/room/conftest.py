"""The real bot before a real Synapse, with a proxy between them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.demo.homeserver import Homeserver

from .bot_process import BotProcess, running, settings
from .person import Answer, Person
from .proxy import Proxy

_names = itertools.count()


@dataclass
class Room:
    """A room with the bot and a person in it."""

    id: str
    person: Person
    bot: BotProcess
    proxy: Proxy
    stranger: Person

    async def says(self, text: str, seconds: float = 60, **more: Any) -> Answer:
        """Type a command and wait for its end."""
        command = await self.person.types(self.id, text, **more)
        return await self.ends(command, seconds)

    async def ends(self, command: str, seconds: float = 60) -> Answer:
        """Wait for the end of a command that was typed."""
        return await self.person.until(
            self.id, command, lambda answer: answer.state not in ("", "running", "waiting"), seconds
        )


OpenRoom = Callable[..., Awaitable[Room]]


@asynccontextmanager
async def opened(homeserver: Homeserver, folder: Path, **more: Any) -> AsyncIterator[Room]:
    """A room with a bot of its own, until the block ends."""
    number = next(_names)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        proxy = await stack.enter_async_context(Proxy.before(homeserver.url))
        robot = await homeserver.register(f"bot{number}")
        people = [await homeserver.register(f"{name}{number}") for name in ("ann", "mallory")]
        ann, mallory = (Person(session, homeserver.url, account) for account in people)
        room = await ann.opens_room(f"ops{number}", robot.user_id, mallory.user_id)
        await mallory.call("POST", f"/rooms/{room}/join")
        made = settings(folder, proxy.url, robot, room, [ann.user_id], **more)
        bot = await stack.enter_async_context(running(BotProcess(folder, made)))
        while "joined" not in bot.said():
            await ann.call("GET", "/account/whoami")
        yield Room(room, ann, bot, proxy, mallory)


@pytest.fixture(scope="session")
async def room(
    homeserver: Homeserver, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Room]:
    """One room for all tests that leave it as they found it."""
    async with opened(homeserver, tmp_path_factory.mktemp("bot")) as made:
        yield made


@pytest.fixture
async def own_room(homeserver: Homeserver, tmp_path: Path) -> AsyncIterator[Room]:
    """A room and a bot of the test's own, to be killed, starved and cut off."""
    async with opened(homeserver, tmp_path) as made:
        yield made
