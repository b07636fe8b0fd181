"""Events as the bot and people send them, for tests that need no homeserver."""

from __future__ import annotations

from typing import Any

from bot.matrix.guest_events import RoomEvent, room_event

BOT = "@gantry:localhost:1"
YOU = "@you:localhost:1"


def said(event_id: str, body: str, *, sender: str = YOU, **content: Any) -> RoomEvent:
    """A message."""
    return _event(event_id, sender, {"msgtype": "m.text", "body": body, **content})


def answered(event_id: str, body: str, command: str, state: str, *, edit: str = "") -> RoomEvent:
    """A message of the bot's about an operation, or an edit of an earlier one."""
    operation = {"id": "k3x9ab", "event": command, "state": state}
    content: dict[str, Any] = {"msgtype": "m.notice", "body": body, "gantry.operation": operation}
    if edit:
        content |= {
            "body": f"* {body}",
            "m.new_content": dict(content),
            "m.relates_to": {"rel_type": "m.replace", "event_id": edit},
        }
    return _event(event_id, BOT, content)


def _event(event_id: str, sender: str, content: dict[str, Any]) -> RoomEvent:
    source = {
        "type": "m.room.message",
        "origin_server_ts": 1_700_000_000_000,
        "sender": sender,
        "event_id": event_id,
        "content": content,
    }
    event = room_event(source)
    assert event is not None
    return event
