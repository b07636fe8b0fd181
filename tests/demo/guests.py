"""Guests of a real homeserver."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import SecretStr

from bot.demo.homeserver import Account, Homeserver
from bot.matrix.crypto.keyring import KeyStore
from bot.matrix.guest import Guest
from bot.matrix.guest_events import RoomEvent


@asynccontextmanager
async def arrived(
    homeserver: Homeserver, account: Account, keys: Path | None = None, url: str = ""
) -> AsyncIterator[Guest]:
    """Somebody logged in; with `keys` as the device of last time."""
    with tempfile.TemporaryDirectory() as folder:
        store = KeyStore(keys or Path(folder), SecretStr("open sesame"))
        async with Guest.arrive(
            url or homeserver.url,
            account.user_id,
            account.device_id,
            account.access_token,
            store,
        ) as guest:
            yield guest


async def heard(guest: Guest, room: str, last: str, seconds: float = 30) -> list[RoomEvent]:
    """All that is said until somebody says the last word."""
    seen: list[RoomEvent] = []
    async with asyncio.timeout(seconds), aclosing(guest.follow(room)) as events:
        async for event in events:
            seen.append(event)
            if event.body == last:
                break
    return seen


async def on_the_wire(homeserver: Homeserver, account: Account, room: str) -> list[dict[str, Any]]:
    """What was said in a room, as the homeserver has it, the newest first."""
    bearer = {"Authorization": f"Bearer {account.access_token}"}
    async with aiohttp.ClientSession(homeserver.url, headers=bearer) as session:
        path = f"/_matrix/client/v3/rooms/{room}/messages"
        async with session.get(path, params={"dir": "b", "limit": "500"}) as response:
            chunk: list[dict[str, Any]] = (await response.json())["chunk"]
    return [event for event in chunk if "state_key" not in event]
