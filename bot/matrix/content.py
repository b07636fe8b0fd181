"""Blocks -> the content of `m.room.message` events. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from commands.replies import Block, html, plain
from domain.operations import Operation, State

Content = dict[str, Any]

LIMIT = 12_000
"""Bytes of text in one message. An edit carries plain and rich text twice over, and an event
may have 65,536 bytes in all."""

OPERATION = "gantry.operation"
"""The key under which a message says, for programs, which operation it is about and how that
stands: `{"id", "event", "state"}`."""


def told(
    blocks: Sequence[Block],
    operation: Operation,
    state: State,
    prefix: str,
    mention: str | None = None,
) -> Content:
    """What the room is told about an operation.

    With a `mention` it is `m.text`, which notifies that person; otherwise `m.notice`, which
    by default notifies nobody.
    """
    text = _shortened(_prefixed(plain(blocks), prefix))
    rich = _prefixed(html(blocks), prefix).replace("<code>!", f"<code>{prefix}")
    content: Content = {
        "msgtype": "m.text" if mention else "m.notice",
        "body": text,
        "m.mentions": {"user_ids": [mention]} if mention else {},
        OPERATION: {"id": operation.id, "event": operation.origin, "state": str(state)},
    }
    if len(rich.encode()) <= LIMIT:
        content |= {"format": "org.matrix.custom.html", "formatted_body": rich}
    if operation.origin.startswith("$"):
        content["m.relates_to"] = {"m.in_reply_to": {"event_id": operation.origin}}
    return content


def edit(event_id: str, content: Content) -> Content:
    """The event that makes an earlier one say something else (m.replace).

    The relation of the original stays as it was, so it is left out here.
    """
    new = {key: value for key, value in content.items() if key != "m.relates_to"}
    outer = {**new, "body": f"* {content['body']}"}
    if "formatted_body" in content:
        outer["formatted_body"] = f"* {content['formatted_body']}"
    outer["m.mentions"] = {}
    return {
        **outer,
        "m.new_content": new,
        "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
    }


def transaction_id(*parts: object) -> str:
    """The same for the same parts, so that sending again is not saying again."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return "gantry-" + hashlib.sha256(text.encode()).hexdigest()[:32]


def _prefixed(text: str, prefix: str) -> str:
    """Commands in our own words are written with `!`; show them as people here type them."""
    return text if prefix == "!" else text.replace("`!", f"`{prefix}")


def _shortened(text: str) -> str:
    raw = text.encode()
    if len(raw) <= LIMIT:
        return text
    head, tail = raw[: LIMIT // 2], raw[-LIMIT // 2 :]
    left_out = len(raw) - len(head) - len(tail)
    return (
        head.decode(errors="ignore")
        + f"\n… {left_out} bytes left out …\n"
        + tail.decode(errors="ignore")
    )
