"""An encrypted room with the bot, and somebody in it who reads along."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
from nio.crypto.attachments import decrypt_attachment
from pydantic import SecretStr

from bot.demo.homeserver import Homeserver
from bot.matrix.crypto.keyring import KeyStore
from bot.matrix.guest import Guest
from bot.matrix.guest_events import RoomEvent

from .bot_process import BotProcess, running, settings


@dataclass
class SecretRoom:
    """What is said here, the homeserver cannot read."""

    id: str
    person: Guest
    bot: BotProcess
    url: str
    token: str
    seen: list[RoomEvent] = field(default_factory=list)

    async def types(self, text: str, thread: str | None = None) -> str:
        """Say something, in a thread if one is named. Returns the event id."""
        content: dict[str, Any] = {"msgtype": "m.text", "body": text}
        if thread:
            relation = {"rel_type": "m.thread", "event_id": thread, "is_falling_back": True}
            content["m.relates_to"] = relation | {"m.in_reply_to": {"event_id": thread}}
        return await self.person.send(self.id, "m.room.message", content)

    async def types_in_the_clear(self, text: str) -> str:
        """Say something as a client does that cannot encrypt. Returns the event id."""
        headers = {"Authorization": f"Bearer {self.token}"}
        path = f"/_matrix/client/v3/rooms/{quote(self.id)}/send/m.room.message/{time.time_ns()}"
        content = {"msgtype": "m.text", "body": text}
        async with (
            aiohttp.ClientSession(self.url, headers=headers) as session,
            session.put(path, json=content, raise_for_status=True) as response,
        ):
            return str((await response.json())["event_id"])

    async def reacts(self, event_id: str, key: str) -> str:
        """Put an emoji under a message."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await self.person.send(self.id, "m.reaction", {"m.relates_to": relation})

    async def sees(self, wanted: Callable[[RoomEvent], object], seconds: float = 60) -> RoomEvent:
        """Wait for an event."""
        async with asyncio.timeout(seconds):
            while True:
                for event in self.seen:
                    if wanted(event):
                        return event
                await asyncio.sleep(0.05)

    async def shows(self, command: str, *states: str) -> RoomEvent:
        """Wait until the bot's message about a command, or an edit of it, tells such a state."""

        def tells(event: RoomEvent) -> bool:
            note = event.content.get("gantry.operation", {})
            return note.get("event") == command and note.get("state") in states

        return await self.sees(tells)

    async def ends(self, command: str) -> RoomEvent:
        """Wait for the end of a command."""
        return await self.shows(command, "succeeded", "failed", "cancelled", "expired")

    async def says(self, text: str, thread: str | None = None) -> RoomEvent:
        """Type a command and wait for its end."""
        return await self.ends(await self.types(text, thread))

    async def opens(self, file: Mapping[str, Any]) -> bytes:
        """Download a file and decrypt it."""
        server = file["url"].removeprefix("mxc://")
        headers = {"Authorization": f"Bearer {self.token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            path = f"{self.url}/_matrix/client/v1/media/download/{server}"
            async with session.get(path, raise_for_status=True) as response:
                locked = await response.read()
        key, digest = file["key"]["k"], file["hashes"]["sha256"]
        return bytes(decrypt_attachment(locked, key, digest, file["iv"]))


@asynccontextmanager
async def opened(
    homeserver: Homeserver, folder: Path, name: str, **more: Any
) -> AsyncIterator[SecretRoom]:
    """A room and a bot of one's own, until the block ends."""
    robot, ann = [await homeserver.register(f"{name}-{who}") for who in ("bot", "ann")]
    keys = KeyStore(folder / "ann", SecretStr("secret"))
    arriving = Guest.arrive(homeserver.url, ann.user_id, ann.device_id, ann.access_token, keys)
    async with arriving as person:
        room = await person.create_room(name, name, (robot.user_id,), encrypted=True)
        made = settings(folder, homeserver.url, robot, room, [ann.user_id], **more)
        async with running(BotProcess(folder, made)) as bot:
            async with asyncio.timeout(30):
                while "joined" not in bot.said():
                    await asyncio.sleep(0.05)
            secret = SecretRoom(room, person, bot, homeserver.url, ann.access_token)
            reading = asyncio.create_task(_read(secret))
            try:
                yield secret
            finally:
                reading.cancel()
                await asyncio.wait([reading])


async def _read(room: SecretRoom) -> None:
    async for event in room.person.follow(room.id):
        room.seen.append(event)
