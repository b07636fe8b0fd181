"""Events -> what people do to messages: react to them, take them away. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.matrix.crypto.encoding import mapping
from bot.matrix.inbound import Event, id_of, said_at, sender_of, since_joining, text_of
from domain.operations import Operation, operation_id

_STOP, _YES, _NO = frozenset("❌🛑✖"), frozenset("👍✅✔"), frozenset("👎")
_SKIN = dict.fromkeys(range(0x1F3FB, 0x1F400))
"""Fitzpatrick modifiers (Unicode TR 51): skin tones, which people's pickers put behind a hand."""
_EMOJI_STYLE = "\ufe0f"
"""Clients put it behind an emoji or leave it out."""


@dataclass(frozen=True, slots=True)
class Reaction:
    """Somebody put an emoji under a message."""

    event_id: str
    room: str
    sender: str
    to: str
    """The event id of the message."""
    key: str
    at: datetime

    @property
    def stops(self) -> bool:
        """Whether it asks for what the message is about to be stopped."""
        return self._plain in _STOP

    @property
    def agrees(self) -> bool:
        """Whether it says yes."""
        return self._plain in _YES

    @property
    def disagrees(self) -> bool:
        """Whether it says no."""
        return self._plain in _NO

    def saying(self, text: str) -> Operation:
        """The command it stands for, given without a word."""
        return Operation(
            id=operation_id(self.event_id),
            origin=self.event_id,
            room=self.room,
            sender=self.sender,
            text=text,
            said_at=self.at,
            changes=False,
            quiet=True,
        )

    @property
    def _plain(self) -> str:
        return self.key.replace(_EMOJI_STYLE, "").translate(_SKIN)


@dataclass(frozen=True, slots=True)
class Redaction:
    """Somebody took an event away."""

    room: str
    event_id: str
    """Of what is gone."""


def reactions(events: Iterable[Event], room: str, me: str) -> list[Reaction]:
    """What people reacted with, in order; not what they took back again."""
    events = since_joining(events, me)
    gone = {redaction.event_id for redaction in redactions(events, room, me)}
    found = [reaction for each in events if (reaction := _reaction(each, room))]
    return [each for each in found if each.sender != me and each.event_id not in gone]


def redactions(events: Iterable[Event], room: str, me: str) -> list[Redaction]:
    """What others took away. The homeserver has seen to it that they may."""
    return [
        Redaction(room, gone)
        for event in since_joining(events, me)
        if event.get("sender") != me and (gone := _redacted(event))
    ]


def _reaction(event: Event, room: str) -> Reaction | None:
    relation = mapping(mapping(event.get("content")).get("m.relates_to"))
    if event.get("type") != "m.reaction" or relation.get("rel_type") != "m.annotation":
        return None
    event_id, sender = id_of(event), sender_of(event)
    to, key = text_of(relation.get("event_id")), text_of(relation.get("key"))
    at = said_at(event)
    if event_id is None or sender is None or to is None or key is None or at is None:
        return None
    return Reaction(event_id, room, sender, to, key, at)


def _redacted(event: Event) -> str | None:
    """Newer rooms name it inside the content, older ones beside it."""
    if event.get("type") != "m.room.redaction":
        return None
    inside = text_of(mapping(event.get("content")).get("redacts"))
    return inside or text_of(event.get("redacts"))
