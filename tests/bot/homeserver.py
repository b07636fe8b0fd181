"""A homeserver that answers what a test says, for what a real one cannot be made to do on cue."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.matrix.news import Invitation, Page, Sync, Timeline

ME, ANN, ROOM, OTHER = "@gantry:example.org", "@ann:example.org", "!ops:x", "!other:x"
ROOT = "@root:example.org"


@dataclass(frozen=True)
class Lost:
    """The request arrives; its answer does not."""

    error: Exception


@dataclass(frozen=True)
class Attempt:
    room: str
    body: str
    transaction: str
    edits: str | None


class Keys:
    """A keyring in rooms that are not encrypted."""

    async def tend(self) -> None:
        """Nothing to tend."""

    async def request(self, room: str, event: Mapping[str, Any]) -> None:
        """Nothing to ask for."""

    def open(self, room: str, event: Mapping[str, Any]) -> None:
        """Nothing opens."""


@dataclass
class Homeserver:
    """Takes events, once per transaction id, unless told to do otherwise."""

    user_id: str = ME
    attempts: list[Attempt] = field(default_factory=list)
    events: dict[str, tuple[str, str, Mapping[str, Any]]] = field(default_factory=dict)
    """Transaction id -> (event id, room, content), in order."""
    open: asyncio.Event = field(default_factory=asyncio.Event)
    syncs: deque[Sync | Exception] = field(default_factory=deque)
    pages: dict[str, tuple[list[dict[str, Any]], str | None] | Exception] = field(
        default_factory=dict
    )
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    encrypted: set[str] = field(default_factory=set)
    uploads: list[tuple[bytes, str, str, bool]] = field(default_factory=list)
    upload_errors: deque[Exception] = field(default_factory=deque)
    keyring: Keys = field(default_factory=lambda: Keys())

    def __post_init__(self) -> None:
        self.open.set()
        self._answers: dict[str, deque[Exception | Lost]] = defaultdict(deque)

    def answers(self, room: str, *errors: Exception | Lost) -> None:
        """What the next sends to a room are answered, before all goes well again."""
        self._answers[room].extend(errors)

    async def is_encrypted(self, room: str) -> bool:
        return room in self.encrypted

    async def upload(
        self, data: bytes, name: str, mimetype: str, *, encrypt: bool
    ) -> dict[str, Any]:
        self.uploads.append((data, name, mimetype, encrypt))
        if self.upload_errors:
            raise self.upload_errors.popleft()
        url = f"mxc://x/{len(self.uploads)}"
        where = {"file": {"url": url}} if encrypt else {"url": url}
        return {**where, "info": {"mimetype": mimetype, "size": len(data)}}

    async def send(self, room: str, content: Mapping[str, Any], transaction: str) -> str:
        relation = content.get("m.relates_to", {})
        edits = relation["event_id"] if relation.get("rel_type") == "m.replace" else None
        self.attempts.append(Attempt(room, content["body"], transaction, edits))
        await self.open.wait()
        queue = self._answers[room]
        answer = queue.popleft() if queue else None
        if isinstance(answer, Exception):
            raise answer
        event = f"${len(self.events) + 1}"
        event_id, *_ = self.events.setdefault(transaction, (event, room, content))
        if isinstance(answer, Lost):
            raise answer.error
        return event_id

    def shown(self, room: str = ROOM) -> list[str]:
        """What people see: each message's latest words."""
        messages: dict[str, str] = {}
        for event_id, where, content in self.events.values():
            relation = content.get("m.relates_to", {})
            if where == room and relation.get("rel_type") == "m.replace":
                messages[relation["event_id"]] = content["m.new_content"]["body"]
            elif where == room:
                messages[event_id] = content["body"]
        return list(messages.values())

    async def sync(self, since: str | None, *, everything: bool = False) -> Sync:
        self.asked.append(("sync", since, everything))
        if not self.syncs:
            await asyncio.Event().wait()
        answer = self.syncs.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def earlier(self, room: str, before: str, until: str) -> Page:
        self.asked.append(("earlier", room, before, until))
        answer = self.pages[before]
        if isinstance(answer, Exception):
            raise answer
        events, before_them = answer
        return Page(
            tuple(events), before_them, frozenset(event.get("event_id", "") for event in events)
        )

    async def join(self, room: str) -> None:
        await self._membership("join", room)

    async def leave(self, room: str) -> None:
        await self._membership("leave", room)

    async def _membership(self, what: str, room: str) -> None:
        self.asked.append((what, room))
        if self._answers[room]:
            raise self._answers[room].popleft()


def said(event_id: str, body: str = "!ping", sender: str = ANN) -> dict[str, Any]:
    return {
        "type": "m.room.message",
        "event_id": event_id,
        "sender": sender,
        "origin_server_ts": 1_767_225_600_000,
        "content": {"msgtype": "m.text", "body": body},
    }


def news(
    token: str,
    *events: dict[str, Any],
    room: str = ROOM,
    before: str | None = None,
    invitations: tuple[Invitation, ...] = (),
) -> Sync:
    """One sync answer; with `before` its timeline has a gap in front of it."""
    timeline = Timeline(room, events, limited=before is not None, before=before)
    return Sync(token, (timeline,) if events or before else (), invitations)
