"""The measuring user: the bare client-server API, so that no client library is measured too."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Protocol
from urllib.parse import quote

import aiohttp

from bot.demo.homeserver import Account
from domain.errors import OpsError

Listener = Callable[[Mapping[str, Any], float], None]
"""Is told each message, and the `time.perf_counter` at which it had come."""

_NOTHING: dict[str, list[str]] = {"types": []}
_LONG_POLL = 30_000


class Talker(Protocol):
    """A measuring user, as the benches know one."""

    user_id: str

    def listen(self, listener: Listener) -> None:
        """Have every message from now on told to this listener as well."""

    async def create_room(self, alias: str, invite: str) -> str:
        """A private room with somebody invited. Its id."""

    async def joined(self, room: str) -> frozenset[str]:
        """Who is in a room."""

    async def say(self, room: str, text: str) -> str:
        """Send text. The id of its event."""


class Caller:
    """One user who talks in rooms and hears what is said there, in one sync loop."""

    def __init__(self, http: aiohttp.ClientSession, account: Account) -> None:
        self.user_id = account.user_id
        self._http = http
        self._listeners: list[Listener] = []
        self._numbers = count()
        self._run = time.time_ns()
        """Keeps this run's transaction ids apart from an earlier one's."""

    @classmethod
    @asynccontextmanager
    async def arrive(cls, url: str, account: Account) -> AsyncIterator[Caller]:
        """Listen for as long as the block lasts. What was said before is not heard."""
        async with aiohttp.ClientSession(
            url,
            headers={"Authorization": f"Bearer {account.access_token}"},
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(120),
        ) as http:
            caller = cls(http, account)
            since = (await caller._sync(None, 0))["next_batch"]
            listening = asyncio.create_task(caller._listen(since), name="caller")
            try:
                yield caller
            finally:
                listening.cancel()
                await asyncio.wait({listening})
            if not listening.cancelled():
                listening.result()

    def listen(self, listener: Listener) -> None:
        """Have every message from now on told to this listener as well."""
        self._listeners.append(listener)

    async def create_room(self, alias: str, invite: str) -> str:
        """A private room with somebody invited. Its id."""
        wanted = {"room_alias_name": alias, "preset": "private_chat", "invite": [invite]}
        return str((await self._ask("POST", "createRoom", wanted))["room_id"])

    async def joined(self, room: str) -> frozenset[str]:
        """Who is in a room."""
        answer = await self._ask("GET", f"rooms/{quote(room)}/joined_members")
        return frozenset(answer["joined"])

    async def say(self, room: str, text: str) -> str:
        """Send plain text. The id of its event."""
        path = f"rooms/{quote(room)}/send/m.room.message/bench-{self._run}-{next(self._numbers)}"
        answer = await self._ask("PUT", path, {"msgtype": "m.text", "body": text})
        return str(answer["event_id"])

    async def _listen(self, since: str) -> None:
        while True:
            news = await self._sync(since, _LONG_POLL)
            at = time.perf_counter()
            since = news["next_batch"]
            for joined in news.get("rooms", {}).get("join", {}).values():
                if joined["timeline"].get("limited"):
                    raise OpsError("the measuring user itself missed messages")
                for event in joined["timeline"]["events"]:
                    for listener in self._listeners:
                        listener(event, at)

    async def _sync(self, since: str | None, timeout: int) -> Any:
        parameters = {"timeout": str(timeout), "filter": json.dumps(_filter(self.user_id))}
        return await self._ask(
            "GET", "sync", None, parameters | ({"since": since} if since else {})
        )

    async def _ask(
        self, method: str, path: str, body: Any = None, parameters: Mapping[str, str] | None = None
    ) -> Any:
        async with self._http.request(
            method, f"/_matrix/client/v3/{path}", json=body, params=parameters
        ) as response:
            answer = await response.json()
            if response.status != 200:
                raise OpsError(f"{method} {path}: {response.status} {answer}")
            return answer


def _filter(user: str) -> dict[str, Any]:
    """Nothing but what others say. More than 100 messages at once Synapse does not give."""
    return {
        "presence": _NOTHING,
        "account_data": _NOTHING,
        "room": {
            "timeline": {"limit": 100, "types": ["m.room.message"], "not_senders": [user]},
            "state": _NOTHING,
            "ephemeral": _NOTHING,
            "account_data": _NOTHING,
        },
    }
