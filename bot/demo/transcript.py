"""What an event in the room looks like to somebody reading along (pure)."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from bot.matrix.guest_events import RoomEvent
from domain.operations import State

_WORD = re.compile(r"[^\W\d_]+")
_FILES = ("m.image", "m.file", "m.audio", "m.video")


@dataclass(frozen=True, slots=True)
class Note:
    """What the bot says about the operation a message of its belongs to."""

    id: str
    event: str
    """The event id of the command."""
    state: State


def note_of(event: RoomEvent) -> Note | None:
    """The operation a message or an edit belongs to; None where it carries none."""
    for content in (event.content.get("m.new_content"), event.content):
        found = content.get("gantry.operation") if isinstance(content, dict) else None
        if isinstance(found, dict) and found.get("state") in list(State):
            return Note(str(found.get("id")), str(found.get("event")), State(found["state"]))
    return None


def as_json(event: RoomEvent) -> str:
    """One line of JSON with all there is to see."""
    relation = event.relation
    return json.dumps(
        {
            "time": event.at.isoformat(),
            "sender": event.sender,
            "event_id": event.event_id,
            "relation": relation and {"type": relation.kind, "event_id": relation.event_id},
            "body": event.body,
            "formatted_body": event.formatted_body,
        },
        ensure_ascii=False,
    )


def spoken(event: RoomEvent, *, edited: bool = False) -> str:
    """The event as `name: what they say`, further lines indented below."""
    name = event.sender.removeprefix("@").partition(":")[0]
    kind = event.relation.kind if event.relation else None
    mark = " (edited)" if edited else " (in a thread)" if kind == "m.thread" else ""
    head = f"{name}{mark}: "
    body = f"reacts with {event.body}" if kind == "m.annotation" else event.body
    if event.content.get("msgtype") in _FILES:
        body = f"[{event.body}]"
    return harmless(head + body.rstrip().replace("\n", "\n" + " " * len(f"{name}: ")))


def worth_repeating(before: str, after: str) -> bool:
    """Whether an edit says something new, where each one costs a line of its own.

    Numbers, bars and elapsed time are not news, nor is an answer that grows; another first line
    is.
    """
    old, new = _headline(before), _headline(after)
    return new[: len(old)] != old and old[: len(new)] != new


def harmless(text: str) -> str:
    """The text without anything that could steer a terminal: anybody in a room may write it."""
    return "".join(c if c == "\n" or c.isprintable() else _visible(c) for c in text)


def _visible(character: str) -> str:
    return "    " if character == "\t" else "\ufffd" if ord(character) < 0xA0 else ""


def _headline(text: str) -> list[str]:
    return _WORD.findall(text.strip().partition("\n")[0])
