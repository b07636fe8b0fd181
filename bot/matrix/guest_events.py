"""What a person sees in a room: events of the client-server API, read (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.matrix.crypto.encoding import mapping
from bot.matrix.inbound import Event, said_at

UNREADABLE = "(cannot be read: its key was not shared)"


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


def room_event(source: Event) -> RoomEvent | None:
    """What a raw event says to a person; None for one that says nothing.

    One that is still encrypted says that it cannot be read.
    """
    content = mapping(source.get("content"))
    if is_sealed(source):
        shown: Mapping[str, Any] = {"body": UNREADABLE}
    elif source.get("type") in ("m.room.message", "m.reaction") and content:
        shown = _shown(content)
    else:
        return None
    at, sender, event_id = said_at(source), source.get("sender"), source.get("event_id")
    if at is None or not isinstance(sender, str) or not isinstance(event_id, str):
        return None
    formatted = shown.get("formatted_body")
    return RoomEvent(
        at=at,
        sender=sender,
        event_id=event_id,
        relation=_relation(content),
        body=str(shown.get("body", mapping(content.get("m.relates_to")).get("key", ""))),
        formatted_body=None if formatted is None else str(formatted),
        content=content,
    )


def is_sealed(source: Event) -> bool:
    """Whether the event is encrypted, with its key still to come."""
    return source.get("type") == "m.room.encrypted"


def _shown(content: Mapping[str, Any]) -> Mapping[str, Any]:
    relation = _relation(content)
    edited = relation is not None and relation.kind == "m.replace"
    return mapping(content.get("m.new_content")) if edited else content


def _relation(content: Mapping[str, Any]) -> Relation | None:
    relates = mapping(content.get("m.relates_to"))
    if "rel_type" in relates:
        return Relation(str(relates["rel_type"]), str(relates.get("event_id", "")))
    reply = mapping(relates.get("m.in_reply_to"))
    return Relation("m.in_reply_to", str(reply["event_id"])) if "event_id" in reply else None
