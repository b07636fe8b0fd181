"""The real bot, spoken to with a client that shares no code with it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.demo.homeserver import Account, Homeserver
from tests.room.bot_process import BotProcess, running, settings

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

    async def says(self, text: str, seconds: float = 60) -> Seen:
        """Type a command and wait for its end. Returns the answer as a person then sees it."""
        return await self.ends(await self.js.send(self.id, text), seconds)

    async def ends(self, command: str, seconds: float = 60) -> Seen:
        """Wait for the end of a command that was typed."""

        def ended(event: Seen) -> bool:
            note = event.content.get("gantry.operation", {})
            over = note.get("state", "running") not in ("", "running")
            return not event.is_edit and note.get("event") == command and over

        return await self.js.until(self.id, ended, seconds)


@asynccontextmanager
async def opened(
    homeserver: Homeserver, folder: Path, js: JsClient, *, encrypted: bool = True, **more: Any
) -> AsyncIterator[IndependentRoom]:
    """A room with a bot of its own, until the block ends; `more` goes to its settings."""
    account = await homeserver.register(f"judged{next(_names)}")
    room = await js.create_room(account.user_id, encrypted=encrypted)
    made = settings(folder, homeserver.url, account, room, [js.user_id], **more)
    async with running(BotProcess(folder, made)) as bot:
        async with asyncio.timeout(30):
            while "joined" not in bot.said():
                await asyncio.sleep(0.05)
        yield IndependentRoom(room, js, bot, account)
