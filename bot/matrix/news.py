"""What a sync brings, as values, and what is asked for in it."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import nio

from bot.matrix.crypto.senders import Seal
from bot.matrix.inbound import Event

TYPES = [
    "m.room.message",
    "m.room.encrypted",
    "m.reaction",
    "m.room.redaction",
    "m.room.member",
    "m.room.encryption",
    "m.room.tombstone",
    "m.room.name",
    "m.room.canonical_alias",
]
_NOTHING: dict[str, list[str]] = {"types": []}
FILTER: dict[str, Any] = {
    "presence": _NOTHING,
    "account_data": _NOTHING,
    "room": {
        "timeline": {"limit": 200, "types": TYPES},
        "state": {"lazy_load_members": True, "types": TYPES[4:]},
        "ephemeral": _NOTHING,
        "account_data": _NOTHING,
    },
}
"""The default of 10 events a room and sync loses commands whenever 11 come at once."""

NO_ROOMS: dict[str, Any] = {
    "presence": _NOTHING,
    "account_data": _NOTHING,
    "room": {"rooms": []},
}
"""For a look at nothing but what is sent to the device itself."""

_KEY_EVENTS = (nio.RoomKeyEvent, nio.ForwardedRoomKeyEvent)


@dataclass(frozen=True, slots=True)
class Timeline:
    """What happened in one room since the last sync."""

    room: str
    events: tuple[Event, ...]
    limited: bool
    """True when there is more between the last sync and the first of these events."""
    before: str | None
    """Where to go on backwards from."""
    encrypted: bool = False
    """Whether the room was encrypted before the first of these events."""
    clear: frozenset[str] = frozenset()
    """Ids of messages that came unencrypted."""
    seals: Mapping[str, Seal] = field(default_factory=dict)
    """Ids of messages that came encrypted -> with what."""
    known: bool = False
    """Whether the room was known to be encrypted before this sync."""


@dataclass(frozen=True, slots=True)
class Page:
    """Earlier events of one room, newest first."""

    events: tuple[Event, ...]
    before: str | None
    """Where the next page begins; None at the end."""
    clear: frozenset[str] = frozenset()
    """Ids of messages that came unencrypted."""
    seals: Mapping[str, Seal] = field(default_factory=dict)
    """Ids of messages that came encrypted -> with what."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody wants us in a room."""

    room: str
    sender: str


@dataclass(frozen=True, slots=True)
class Departure:
    """Somebody put us out of a room we were in."""

    room: str
    sender: str
    event_id: str
    reason: str = ""
    banned: bool = False
    name: str = ""
    """What people call the room, as far as we knew."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A room says that it goes on as another one. Whether it truly does is not said by that."""

    room: str
    sender: str
    replacement: str


@dataclass(frozen=True, slots=True)
class Sync:
    """One answer of the homeserver to "what is new?"."""

    token: str
    timelines: tuple[Timeline, ...]
    invitations: tuple[Invitation, ...]
    keys_came: bool = False
    """True when keys came with it, so that events that were sealed may open now."""
    departures: tuple[Departure, ...] = ()
    left: tuple[str, ...] = ()
    """Rooms we are not in any more, whoever wanted that."""
    tombstones: tuple[Tombstone, ...] = ()


def invitations_filter(number: int) -> dict[str, Any]:
    """For a look at nothing but who wants us where.

    Synapse answers a first sync that it was asked for before from memory, minutes old; with
    another number it is another question.
    """
    room: dict[str, Any] = {"timeline": _NOTHING, "state": _NOTHING, "ephemeral": _NOTHING}
    room["not_rooms"] = [f"!{number}:localhost"]
    return {"presence": _NOTHING, "account_data": _NOTHING, "room": room}


def news(
    answer: nio.SyncResponse, me: str, name: Callable[[str], str], encrypted: Container[str]
) -> Sync:
    """nio's answer as a value. `name` knows what people call rooms, `encrypted` which of them were
    known to be that before."""
    rooms = answer.rooms
    joined, left = rooms.join, rooms.leave
    return Sync(
        token=answer.next_batch,
        timelines=tuple(
            _timeline(room, info, encrypted=room in encrypted) for room, info in joined.items()
        ),
        invitations=tuple(
            Invitation(room, inviter(map(_source, info.invite_state), me))
            for room, info in rooms.invite.items()
        ),
        keys_came=any(isinstance(event, _KEY_EVENTS) for event in answer.to_device_events),
        departures=tuple(
            replace(found, name=name(room))
            for room, info in left.items()
            for found in departures(room, _events(info), me)
        ),
        left=tuple(left),
        tombstones=tuple(
            found for room, info in joined.items() for found in tombstones(room, _events(info))
        ),
    )


def inviter(state: Iterable[Event], me: str) -> str:
    """Who invites us, by the few events of a room that an invitation shows; "" if none says."""
    for event in state:
        if event.get("type") == "m.room.member" and event.get("state_key") == me:
            return str(event.get("sender", ""))
    return ""


def departures(room: str, events: Iterable[Event], me: str) -> Iterator[Departure]:
    """How we were put out of a room, if we were in it and did not go ourselves. At most one."""
    last = None
    for event in events:
        if event.get("type") == "m.room.member" and event.get("state_key") == me:
            last = event
    if last is None or last.get("sender") == me:
        return
    content, before = _mapping(last, "content"), _mapping(last, "unsigned", "prev_content")
    membership = content.get("membership")
    if membership in ("leave", "ban") and before.get("membership") == "join":
        sender, event_id = str(last.get("sender", "")), str(last.get("event_id", ""))
        reason = str(content.get("reason") or "")
        yield Departure(room, sender, event_id, reason, banned=membership == "ban")


def tombstones(room: str, events: Iterable[Event]) -> Iterator[Tombstone]:
    """What a room says of where it goes on. At most one: the latest counts."""
    last = None
    for event in events:
        if event.get("type") == "m.room.tombstone" and event.get("state_key") == "":
            last = event
    if last is not None:
        replacement = _mapping(last, "content").get("replacement_room")
        if isinstance(replacement, str) and replacement.startswith("!"):
            yield Tombstone(room, str(last.get("sender", "")), replacement)


def page(answer: nio.RoomMessagesResponse) -> Page:
    """nio's answer as a value."""
    events = answer.chunk
    return Page(tuple(map(_source, events)), answer.end, _clear(events), _seals(events))


def _timeline(room: str, info: Any, *, encrypted: bool) -> Timeline:
    timeline = info.timeline
    before = any(_source(event).get("type") == "m.room.encryption" for event in info.state)
    return Timeline(
        room,
        tuple(map(_source, timeline.events)),
        bool(timeline.limited),
        timeline.prev_batch,
        encrypted or before,
        _clear(timeline.events),
        _seals(timeline.events),
        encrypted,
    )


def _clear(events: Iterable[Any]) -> frozenset[str]:
    """Which of nio's events are messages that nothing was decrypted for."""
    clear = (_source(event) for event in events if not getattr(event, "decrypted", False))
    names = (each.get("event_id") for each in clear if each.get("type") == "m.room.message")
    return frozenset(name for name in names if isinstance(name, str))


def _seals(events: Iterable[Any]) -> dict[str, Seal]:
    """What those of nio's events were encrypted with that it decrypted."""
    return {
        event.event_id: Seal(event.sender_key, event.session_id)
        for event in events
        if getattr(event, "decrypted", False)
    }


def _events(info: Any) -> list[Event]:
    return [_source(event) for event in (*info.state, *info.timeline.events)]


def _source(event: Any) -> Event:
    source = getattr(event, "source", None)
    return source if isinstance(source, dict) else {}


def _mapping(event: Event, *path: str) -> Event:
    found: Any = event
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) else {}
