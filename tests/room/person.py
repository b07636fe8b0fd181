"""A person in a room, on the plain client-server API: shares no code with the bot."""

from __future__ import annotations

import asyncio
import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp

from bot.demo.homeserver import Account

_transactions = itertools.count()


@dataclass
class Answer:
    """What became of one command, as the room shows it."""

    event_id: str
    state: str
    text: str
    html: str
    content: dict[str, Any]
    versions: list[str] = field(default_factory=list)
    """Every text the message had, first to last."""


class Person:
    """Somebody who types and reads."""

    def __init__(self, session: aiohttp.ClientSession, url: str, account: Account) -> None:
        self.user_id = account.user_id
        self._session = session
        self._url = f"{url}/_matrix/client/v3"
        self._headers = {"Authorization": f"Bearer {account.access_token}"}

    async def call(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        """One request. Raises AssertionError with what the homeserver said to a bad one."""
        json = body or ({} if method != "GET" else None)
        async with self._session.request(
            method, f"{self._url}{path}", json=json, headers=self._headers
        ) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == 200, answer
            return answer

    async def opens_room(self, alias: str, *invited: str) -> str:
        """Make a room and ask others in."""
        made = await self.call(
            "POST", "/createRoom", room_alias_name=alias, invite=invited, preset="private_chat"
        )
        return str(made["room_id"])

    async def types(self, room: str, text: str, **more: Any) -> str:
        """Say something. Returns the event id."""
        content = {"msgtype": "m.text", "body": text, **more}
        path = f"/rooms/{quote(room)}/send/m.room.message/t{next(_transactions)}"
        return str((await self.call("PUT", path, **content))["event_id"])

    async def reacts(self, room: str, event_id: str, key: str) -> str:
        """Put an emoji under a message. Returns the reaction's event id."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        path = f"/rooms/{quote(room)}/send/m.reaction/t{next(_transactions)}"
        return str((await self.call("PUT", path, **{"m.relates_to": relation}))["event_id"])

    async def redacts(self, room: str, event_id: str) -> None:
        """Take an event away, which takes the power to."""
        path = f"/rooms/{quote(room)}/redact/{quote(event_id)}/t{next(_transactions)}"
        await self.call("PUT", path)

    async def downloads(self, url: str) -> bytes:
        """Fetch a file that somebody offers."""
        media = self._url.replace("/client/v3", "/client/v1/media/download")
        path = f"{media}/{url.removeprefix('mxc://')}"
        async with self._session.get(path, headers=self._headers) as response:
            assert response.status == 200, await response.text()
            return await response.read()

    async def uploads(self, data: bytes, kind: str) -> str:
        """Put a file on the homeserver. Returns its mxc: URL."""
        media = self._url.replace("/client/v3", "/media/v3/upload")
        headers = {**self._headers, "Content-Type": kind}
        async with self._session.post(media, data=io.BytesIO(data), headers=headers) as response:
            assert response.status == 200, await response.text()
            return str((await response.json())["content_uri"])

    async def sees(self, room: str) -> list[dict[str, Any]]:
        """Everything that was ever said in a room, oldest first."""
        events: list[dict[str, Any]] = []
        start = ""
        while True:
            page = await self.call("GET", f"/rooms/{quote(room)}/messages?dir=b&limit=500{start}")
            events += page["chunk"]
            if "end" not in page or not page["chunk"]:
                return events[::-1]
            start = f"&from={page['end']}"

    async def answers(self, room: str) -> dict[str, list[Answer]]:
        """Command's event id -> the bot's messages about it, as they read now."""
        found: dict[str, Answer] = {}
        for event in await self.sees(room):
            content = event.get("content", {})
            note = content.get("gantry.operation")
            relation = content.get("m.relates_to", {})
            if note is None:
                continue
            if relation.get("rel_type") == "m.replace" and relation["event_id"] not in found:
                continue  # the original was redacted
            if relation.get("rel_type") == "m.replace":
                shown, answer = content["m.new_content"], found[relation["event_id"]]
            else:
                shown = content
                answer = found[event["event_id"]] = Answer(event["event_id"], "", "", "", {})
            answer.state, answer.content = note["state"], shown
            answer.text, answer.html = shown["body"], shown.get("formatted_body", "")
            answer.versions.append(answer.text)
        by_command: dict[str, list[Answer]] = {}
        for answer in found.values():
            origin = answer.content["gantry.operation"]["event"]
            by_command.setdefault(origin, []).append(answer)
        return by_command

    async def until(
        self, room: str, command: str, reached: Callable[[Answer], bool], seconds: float = 60
    ) -> Answer:
        """Read along until the answer to a command is as wanted."""
        last = None
        async with asyncio.timeout(seconds):
            try:
                while True:
                    last = (await self.answers(room)).get(command, [None])[0]
                    if last is not None and reached(last):
                        return last
                    await asyncio.sleep(0.05)
            except asyncio.CancelledError as error:
                error.add_note(f"the answer so far: {last}")
                raise
