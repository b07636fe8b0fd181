"""An ordinary Matrix user: what the demo and the tests type with."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import aiohttp
import nio

from domain.errors import NotPermitted, OpsError, Refused, UnknownName, Unreachable

T = TypeVar("T")

_TIMELINE_LIMIT = 200
_SYNC_FILTER = {
    "presence": {"types": []},
    "account_data": {"types": []},
    "room": {
        "timeline": {"limit": _TIMELINE_LIMIT},
        "ephemeral": {"types": []},
        "account_data": {"types": []},
    },
}
_LONG_POLL = 30_000
_PAUSES = (0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between attempts while the homeserver does not answer; the last one repeats."""


@dataclass(frozen=True, slots=True)
class Relation:
    """How an event refers to an earlier one."""

    kind: str
    """`m.replace`, `m.thread`, `m.annotation`, or `m.in_reply_to` for a plain reply."""
    event_id: str


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """Something a person would see in the room: a message, an edit, a reaction."""

    at: datetime
    sender: str
    event_id: str
    relation: Relation | None
    body: str
    """What it says; for an edit what the message says now, for a reaction its key."""
    formatted_body: str | None
    content: Mapping[str, Any]
    """As it came, an edit's `m.new_content` included."""


class Guest:
    """A user who creates rooms, talks and listens. Knows nothing of bots."""

    def __init__(self, client: nio.AsyncClient, user_id: str, since: str) -> None:
        self.user_id = user_id
        self._client = client
        self._since = since

    @classmethod
    @asynccontextmanager
    async def arrive(
        cls, homeserver: str, user_id: str, device_id: str, access_token: str
    ) -> AsyncIterator[Guest]:
        """Log in by token for as long as the block lasts. Raises OpsError when that fails."""
        config = nio.AsyncClientConfig(
            encryption_enabled=False, store_sync_tokens=False, max_timeouts=2, request_timeout=30
        )
        client = nio.AsyncClient(homeserver, user_id, device_id, config=config)
        client.restore_login(user_id, device_id, access_token)
        try:
            now = await _asked(client.sync(timeout=0, sync_filter=_only_now()), nio.SyncResponse)
            yield cls(client, user_id, now.next_batch)
        finally:
            await client.close()

    async def create_room(self, alias: str, name: str, invite: tuple[str, ...] = ()) -> str:
        """A private room under a local alias (`ops`, not `#ops:server`). Its id."""
        call = self._client.room_create(
            alias=alias, name=name, invite=invite, preset=nio.RoomPreset.private_chat
        )
        return str((await _asked(call, nio.RoomCreateResponse)).room_id)

    async def find_room(self, alias: str) -> str | None:
        """The id behind `#ops:server`, None when nothing goes by that name."""
        try:
            call = self._client.room_resolve_alias(alias)
            return str((await _asked(call, nio.RoomResolveAliasResponse)).room_id)
        except UnknownName:
            return None

    async def invite(self, room: str, user_id: str) -> None:
        """Ask somebody in who is not there yet."""
        await _asked(self._client.room_invite(room, user_id), nio.RoomInviteResponse)

    async def join(self, room: str) -> None:
        """Enter a room one was invited to."""
        await _asked(self._client.join(room), nio.JoinResponse)

    async def members(self, room: str) -> frozenset[str]:
        """Who has joined."""
        answer = await _asked(self._client.joined_members(room), nio.JoinedMembersResponse)
        return frozenset(member.user_id for member in answer.members)

    async def say(self, room: str, text: str) -> str:
        """Send plain text. The id of its event."""
        return await self.send(room, "m.room.message", {"msgtype": "m.text", "body": text})

    async def edit(self, room: str, event_id: str, text: str) -> str:
        """Replace what an earlier message of one's own says."""
        content = {
            "msgtype": "m.text",
            "body": f"* {text}",
            "m.new_content": {"msgtype": "m.text", "body": text},
            "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
        }
        return await self.send(room, "m.room.message", content)

    async def send(self, room: str, kind: str, content: Mapping[str, Any]) -> str:
        """Send any event. Its id. Raises Refused when the homeserver will not have it."""
        call = self._client.room_send(room, kind, dict(content))
        return str((await _asked(call, nio.RoomSendResponse)).event_id)

    async def follow(self, room: str) -> AsyncGenerator[RoomEvent, None]:
        """Everything said in the room since this guest arrived, then whatever is said next.

        Loses nothing, however fast it comes, and outlasts a homeserver that goes away for a
        while. Raises NotPermitted once the login is no longer good. Follow once at a time.
        """
        failures = 0
        while True:
            try:
                call = self._client.sync(_LONG_POLL, sync_filter=_SYNC_FILTER, since=self._since)
                news = await _asked(call, nio.SyncResponse)
                joined = news.rooms.join.get(room)
                events = await self._complete(room, joined.timeline) if joined else []
                failures = 0
            except Unreachable:
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1
                continue
            self._since = news.next_batch
            for source in events:
                event = room_event(source)
                if event is not None:
                    yield event

    async def _complete(self, room: str, timeline: nio.Timeline) -> list[Mapping[str, Any]]:
        """The timeline's events with whatever a limited sync left out, oldest first."""
        events = [event.source for event in timeline.events]
        start = timeline.prev_batch if timeline.limited else None
        while start is not None:
            call = self._client.room_messages(room, start, self._since, limit=_TIMELINE_LIMIT)
            page = await _asked(call, nio.RoomMessagesResponse)
            events[:0] = [event.source for event in reversed(page.chunk)]
            start = page.end if page.chunk else None
        return events


def room_event(source: Mapping[str, Any]) -> RoomEvent | None:
    """What a raw event says to a person; None for one that says nothing (pure)."""
    content = _mapping(source.get("content"))
    if source.get("type") not in ("m.room.message", "m.reaction") or not content:
        return None
    relation = _relation(content)
    edited = relation is not None and relation.kind == "m.replace"
    shown = _mapping(content.get("m.new_content")) if edited else content
    key = _mapping(content.get("m.relates_to")).get("key", "")
    formatted = shown.get("formatted_body")
    return RoomEvent(
        at=datetime.fromtimestamp(source["origin_server_ts"] / 1000, UTC),
        sender=source["sender"],
        event_id=source["event_id"],
        relation=relation,
        body=str(shown.get("body", key)),
        formatted_body=None if formatted is None else str(formatted),
        content=content,
    )


def _only_now() -> dict[str, Any]:
    """A filter for learning where a room is at, and no more.

    Never the same twice: Synapse keeps its answer to a first sync for two minutes and gives it
    again to whoever asks for exactly the same, so that a second arrival would hear old news.
    """
    nothing = {"limit": 1, "types": [], "not_senders": [f"@{secrets.token_hex(8)}:nobody"]}
    return {**_SYNC_FILTER, "room": {"timeline": nothing, "state": {"types": []}}}


def _relation(content: Mapping[str, Any]) -> Relation | None:
    relates = _mapping(content.get("m.relates_to"))
    if "rel_type" in relates:
        return Relation(str(relates["rel_type"]), str(relates.get("event_id", "")))
    reply = _mapping(relates.get("m.in_reply_to"))
    return Relation("m.in_reply_to", str(reply["event_id"])) if "event_id" in reply else None


def _mapping(value: object) -> Mapping[str, Any]:
    """What should be an object and may be anything: anybody in the room can send it."""
    return value if isinstance(value, dict) else {}


async def _asked(call: Awaitable[Any], kind: type[T]) -> T:
    """The answer to a request, of the kind that means it went well."""
    with _network_errors():
        answer = await call
    if isinstance(answer, kind):
        return answer
    raise _in_words(answer)


def _in_words(answer: Any) -> OpsError:
    """What nio returned instead of an answer, as an error a person can act on."""
    code, said = getattr(answer, "status_code", None), getattr(answer, "message", str(answer))
    match code:
        case "M_TOO_LARGE":
            return Refused(
                "the message is larger than a homeserver takes (64 KiB with all its trimmings)",
                hint="say it in fewer words",
            )
        case "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN":
            return NotPermitted("the homeserver no longer accepts this login")
        case "M_FORBIDDEN":
            return NotPermitted(f"the homeserver does not allow that: {said}")
        case "M_NOT_FOUND":
            return UnknownName(said)
        case None | "M_UNKNOWN" | "M_LIMIT_EXCEEDED":
            return Unreachable(f"the homeserver did not answer as it should: {said}")
    return Refused(f"the homeserver refused: {said} ({code})")


@contextmanager
def _network_errors() -> Iterator[None]:
    """Say what the HTTP client raises in words a person can act on."""
    try:
        yield
    except (aiohttp.ClientError, TimeoutError) as error:
        raise Unreachable(f"the homeserver cannot be reached: {error or 'no answer'}") from error
