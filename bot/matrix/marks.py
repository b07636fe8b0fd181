"""Marks: each event we send carries its transaction id, for whoever reads it as another device.

A homeserver takes the same transaction id twice for the same event, but only from the same device.
When another bot takes over, it speaks as another; it knows by the marks what was said already.
The id is no secret: the homeserver is told it with every event. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.matrix.crypto.encoding import mapping
from bot.matrix.inbound import Event, text_of

MARK = "gantry.transaction"
"""The key of the content under which it stands, in encrypted events outside the cipher too."""


def marked(content: Mapping[str, Any], transaction: str) -> dict[str, Any]:
    """The content with its mark."""
    return {**content, MARK: transaction}


def own_marks(events: Iterable[Event], me: str) -> list[tuple[str, str]]:
    """(transaction id, event id) of what is ours among a room's events."""
    found = []
    for event in events:
        mark = mapping(event.get("content")).get(MARK)
        event_id = text_of(event.get("event_id"))
        if event.get("sender") == me and isinstance(mark, str) and event_id:
            found.append((mark, event_id))
    return found
