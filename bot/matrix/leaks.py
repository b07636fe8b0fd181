"""Events -> what we said ourselves in the clear when the room was encrypted already. Pure.

Matrix has no way to send on a condition. What is on its way while somebody turns encryption on
still lands in the clear, and is found here once a sync shows it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.matrix.crypto.encoding import mapping
from bot.matrix.inbound import Event, begins_encryption, exposed_among, said_at, text_of


@dataclass(frozen=True, slots=True)
class Leak:
    """One event of ours that everybody can read."""

    room: str
    event_id: str
    at: datetime
    transaction: str | None = None
    """The id under which this device sent it, if it was this device."""
    edits: str | None = None
    """The event it changed the words of."""


def leaks(
    events: Collection[Event], room: str, clear: Collection[str], me: str, *, encrypted: bool
) -> list[Leak]:
    """Every leak among a room's events, in order.

    `clear` are ids of what came unencrypted, `encrypted` says how the room was known before. Where
    the first event that turns encryption on is among them, what came before it is no leak, whatever
    is known: the same sync may be read a second time. What has lost its words is none any more.
    """
    begins = any(map(begins_encryption, events))
    found = set(exposed_among(events, clear, encrypted=encrypted and not begins))
    named = ((text_of(event.get("event_id")), event) for event in events if _are_words(event, me))
    return [_leak(event, name, room) for name, event in named if name is not None and name in found]


def _are_words(event: Event, me: str) -> bool:
    """Whether we said something with it that can still be read."""
    return event.get("sender") == me and bool(mapping(event.get("content")).get("msgtype"))


def _leak(event: Event, name: str, room: str) -> Leak:
    relation = mapping(mapping(event["content"]).get("m.relates_to"))
    edits = text_of(relation.get("event_id")) if relation.get("rel_type") == "m.replace" else None
    transaction = text_of(mapping(event.get("unsigned")).get("transaction_id"))
    at = said_at(event) or datetime.fromtimestamp(0, UTC)
    return Leak(room, name, at, transaction, edits)
