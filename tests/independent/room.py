"""The real bot, spoken to with a client that shares no code with it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.demo.homeserver import Account, Homeserver
from bot.matrix.crypto.recovery_key import RecoveryKey
from tests.room.bot_process import BotProcess, running, settings
from tests.room.proxy import Proxy

from .js_client import JsClient
from .seen import Seen

_names = itertools.count()


@dataclass(frozen=True)
class IndependentRoom:
    """A room with the bot and the independent client, who is an operator."""

    id: str
    js: JsClient
    bot: BotProcess
    account: Account
    """The bot's."""
    proxy: Proxy
    """Between the bot and its homeserver."""

    async def says(self, text: str, seconds: float = 60) -> Seen:
        """Type a command and wait for its end. Returns the answer as a person then sees it."""
        return await self.ends(await self.js.send(self.id, text), seconds)

    async def ends(self, command: str, seconds: float = 60) -> Seen:
        """Wait for the end of a command that was typed."""
        return await self.shows(command, "succeeded", "failed", "cancelled", seconds=seconds)

    async def shows(self, command: str, *states: str, seconds: float = 60) -> Seen:
        """Wait until the bot's message about a command tells such a state."""

        def tells(event: Seen) -> bool:
            note = event.content.get("gantry.operation", {})
            about = note.get("event") == command and not event.is_edit
            return about and note["state"] in states

        return await self.js.until(self.id, tells, seconds)

    async def meets_the_bot(self) -> None:
        """Wait until the client sees the bot in the room and has its keys: what it says before that
        is encrypted for somebody else."""
        me = self.account.user_id

        def joins(event: Seen) -> bool:
            member = event.type == "m.room.member" and event.sender == me
            return member and event.content.get("membership") == "join"

        await self.js.until(self.id, joins)
        [device] = {
            str(line["device"]) for line in self.bot.lines() if line["event"] == "logged in"
        }
        async with asyncio.timeout(60):
            while not (await self.js.device_trust(me, device)).known:
                await asyncio.sleep(0.05)

    async def logs(self, event: str, times: int = 1, seconds: float = 60) -> None:
        """Wait until the bot's log has had an event so many times."""
        async with asyncio.timeout(seconds):
            while self.bot.said().count(event) < times:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def opened(
    homeserver: Homeserver,
    folder: Path,
    js: JsClient,
    *,
    encrypted: bool = True,
    room: Mapping[str, Any] | None = None,
    **more: Any,
) -> AsyncIterator[IndependentRoom]:
    """A room with a bot of its own, until the block ends; `more` goes to its settings.

    `room` says more of the room to be made, in the words of Matrix.
    """
    account = await homeserver.register(f"judged{next(_names)}")
    made = await js.create_room(account.user_id, encrypted=encrypted, **(room or {}))
    async with Proxy.before(homeserver.url) as proxy:
        config = settings(folder, proxy.url, account, made, [js.user_id], **more)
        async with running(BotProcess(folder, config)) as bot:
            ready = IndependentRoom(made, js, bot, account, proxy)
            await ready.logs("joined")
            if encrypted:
                await ready.meets_the_bot()
            yield ready


@asynccontextmanager
async def vouched_for(
    homeserver: Homeserver, folder: Path, js: JsClient, **room: Any
) -> AsyncIterator[IndependentRoom]:
    """An encrypted room with a bot whose device its account vouches for.

    `room` says more of the room to be made, in the words of Matrix.
    """
    key = folder / "recovery"
    key.write_text(RecoveryKey.generate().encode().get_secret_value())
    matrix = {"recovery_key_file": str(key)}
    async with opened(homeserver, folder, js, room=room, matrix=matrix) as made:
        await made.logs("device signed")
        yield made
