"""A homeserver with Gantry, the bare echo bot and every framework's ping bot on it at once."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil

from bench.caller import Caller, Talker
from bench.frameworks import Berth, Framework
from bench.pings import Answers
from bench.sealed_caller import SealedCaller
from bench.stage import Bot, start_echo, start_gantry
from bot.demo.children import Child, Children
from bot.demo.homeserver import Account, Homeserver
from domain.errors import OpsError

_WAKING = 90.0
_WAKE_EVERY = 5.0
"""Seconds until a bot that has not answered its first ping is asked once more."""

Skip = Callable[[str, str], None]
"""Is told who does not take part, and why."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """A bot that answers, and what it answered so far."""

    bot: Bot
    answers: Answers


@asynccontextmanager
async def open_contest(
    synapse: Path, pythons: Mapping[Framework, Path], skip: Skip, *, sealed: bool
) -> AsyncIterator[list[Contestant]]:
    """Everybody up, each in a room of its own and answering; Gantry first, the echo bot second.

    Frameworks that do not start, or do not answer, are told to `skip`. Raises OpsError when
    Gantry or the echo bot does not.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gantry-peers-")))
        children = Children()
        homeserver = await stack.enter_async_context(
            Homeserver.start(folder / "synapse", python=synapse, children=children)
        )
        hall = _Hall(stack, children, folder, homeserver, sealed)
        contestants = [await hall.gantry(), await hall.echo()]
        for framework, python in pythons.items():
            try:
                contestants.append(await hall.peer(framework, python))
            except OpsError as error:
                skip(framework.name, error.summary)
        yield contestants


@dataclass
class _Hall:
    stack: AsyncExitStack
    children: Children
    folder: Path
    homeserver: Homeserver
    sealed: bool
    caller: Caller | None = None

    async def gantry(self) -> Contestant:
        talker = await self._talker("gantry")
        bot = await start_gantry(self.stack, self.children, self.folder, self.homeserver, talker)
        return await _awake(Contestant(bot, Answers(talker)), None)

    async def echo(self) -> Contestant:
        talker = await self._talker("echo")
        bot = await start_echo(
            self.stack, self.children, self.folder, self.homeserver, talker, sealed=self.sealed
        )
        return await _awake(Contestant(bot, Answers(talker)), None)

    async def peer(self, framework: Framework, python: Path) -> Contestant:
        """In the room before it starts, for frameworks differ in which invites they accept."""
        talker = await self._talker(framework.name)
        account = await self.homeserver.register(framework.name)
        room = await talker.create_room(framework.name, account.user_id)
        await _join(self.homeserver.url, account, room)
        berth = Berth(self.folder / framework.name, self.homeserver.url, account, room, self.sealed)
        berth.folder.mkdir()
        argv = framework.start(python, berth)
        log = self.folder / f"{framework.name}.log"
        async with AsyncExitStack() as attempt:
            child = await attempt.enter_async_context(
                self.children.running(framework.name, argv, log)
            )
            bot = Bot(framework.name, room, psutil.Process(child.pid))
            contestant = await _awake(Contestant(bot, Answers(talker)), child)
            await self.stack.enter_async_context(attempt.pop_all())
        return contestant

    async def _talker(self, name: str) -> Talker:
        """One for all plain rooms; for each encrypted room a user with keys of their own."""
        url = self.homeserver.url
        if self.sealed:
            account = await self.homeserver.register(f"caller-{name}")
            keys = self.folder / f"caller-{name}"
            return await self.stack.enter_async_context(SealedCaller.arrive(url, account, keys))
        if self.caller is None:
            account = await self.homeserver.register("caller")
            self.caller = await self.stack.enter_async_context(Caller.arrive(url, account))
        return self.caller


async def _join(url: str, account: Account, room: str) -> None:
    headers = {"Authorization": f"Bearer {account.access_token}"}
    async with aiohttp.ClientSession(headers=headers) as http:
        join = http.post(f"{url}/_matrix/client/v3/join/{room}", json={}, raise_for_status=True)
        async with join:
            pass


async def _awake(contestant: Contestant, child: Child | None) -> Contestant:
    """Once it has answered for the first time. Raises OpsError when it never does."""
    deadline = time.monotonic() + _WAKING
    while time.monotonic() < deadline and (child is None or child.exit_code is None):
        try:
            async with asyncio.timeout(_WAKE_EVERY):
                await contestant.answers.chunk(contestant.bot.room, 1, in_flight=1)
                return contestant
        except TimeoutError:
            continue
    ended = child is not None and child.exit_code is not None
    what = f"ended with exit code {child.exit_code}" if child and ended else "does not answer"
    words = [line for line in child.last_lines() if line.strip()] if child else []
    raise OpsError(f"{what}; its last words: {words[-1] if words else 'none'}")
