"""Blocks -> the content of `m.room.message` events. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from commands.replies import Block, Table, Verbatim, html, plain
from domain.operations import Operation, State
from domain.people import has_account

Content = dict[str, Any]

LIMIT = 12_000
"""Bytes of text in one message, as JSON has them (a quote takes two). An edit carries plain and
rich text twice over, and an event may have 65,536 bytes in all."""

OPERATION = "gantry.operation"
"""The key under which a message says, for programs, which operation it is about and how that
stands: `{"id", "event", "state"}`."""


def told(
    blocks: Sequence[Block],
    operation: Operation,
    state: State,
    prefix: str,
    mention: Sequence[str] = (),
) -> Content:
    """What the room is told about an operation.

    With somebody to `mention` it is `m.text`, which notifies them; otherwise `m.notice`, which
    by default notifies nobody.
    """
    blocks = [_prefixed(block, prefix) for block in blocks]
    people = [each for each in mention if has_account(each)]
    rest = "; the whole text is in the thread of this message" if state.ended else ""
    whole = plain(blocks)
    text = _shortened(whole, rest)
    rich = html(blocks) if text == whole else ""
    content: Content = {
        "msgtype": "m.text" if people else "m.notice",
        "body": text,
        "m.mentions": {"user_ids": people} if people else {},
        OPERATION: {"id": operation.id, "event": operation.origin, "state": str(state)},
    }
    if rich and rich != html((Verbatim(text),)) and _weight(rich) <= LIMIT:  # it says more
        content |= {"format": "org.matrix.custom.html", "formatted_body": rich}
    if operation.origin.startswith("$") and not operation.quiet:
        content["m.relates_to"] = _relation(operation)
    return content


def attributed(blocks: Sequence[Block], operation: Operation) -> Sequence[Block]:
    """What is said of an operation, with who asked for it where there is no message to reply to."""
    if has_account(operation.sender) or operation.own or not blocks:
        return blocks
    first, *rest = blocks
    if isinstance(first, str):
        return [f"{operation.sender}: {first}", *rest]
    title = operation.text.partition("\n")[0][:100]
    return [f"{operation.sender}: `{title}`", *blocks]


def overflow(blocks: Sequence[Block], prefix: str) -> str | None:
    """The whole text, where `told` shows only its two ends."""
    text = plain([_prefixed(block, prefix) for block in blocks])
    return text if _weight(text) > LIMIT else None


def brief(content: Content) -> Content:
    """The first line of what a message should have said, for another one."""
    rich = ("format", "formatted_body")
    short = {key: value for key, value in content.items() if key not in rich}
    return {**short, "body": content["body"].partition("\n")[0]}


def tells_the_end(content: Content) -> bool:
    """Whether a message says how an operation ended, for good."""
    return OPERATION in content and State(content[OPERATION]["state"]).ended


def shows_progress(content: Content) -> bool:
    """Whether a message is about an operation that goes on, and will say more."""
    return OPERATION in content and not tells_the_end(content)


def notice(text: str, to: str | None = None) -> Content:
    """Something the bot says by itself, about no operation; `to` is the event it answers."""
    content: Content = {"msgtype": "m.notice", "body": text, "m.mentions": {}}
    return content | ({"m.relates_to": {"m.in_reply_to": {"event_id": to}}} if to else {})


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


def _relation(operation: Operation) -> Content:
    """A reply to the command, in the thread it was said in."""
    reply = {"m.in_reply_to": {"event_id": operation.origin}}
    if operation.thread is None:
        return reply
    thread = {"rel_type": "m.thread", "event_id": operation.thread}
    return {**thread, "is_falling_back": True, **reply}


def _prefixed(block: Block, prefix: str) -> Block:
    """Commands in our own words are written with `!`; show them as people here type them."""
    match block:
        case str():
            return block.replace("`!", f"`{prefix}")
        case Table(head, rows):
            shown = (tuple(cell.replace("`!", f"`{prefix}") for cell in row) for row in rows)
            return Table(head, tuple(shown))
    return block


def _shortened(text: str, rest: str) -> str:
    """The text, or its two ends with a note of what is left out and of where the rest is."""
    if _weight(text) <= LIMIT:
        return text
    raw, each = text.encode(), LIMIT // 2
    while True:
        head = raw[:each].decode(errors="ignore")
        tail = raw[-each:].decode(errors="ignore")
        left_out = len(raw) - len(head.encode()) - len(tail.encode())
        short = f"{head}\n… {left_out} bytes left out{rest} …\n{tail}"
        if _weight(short) <= LIMIT:
            return short
        each -= LIMIT // 50


def _weight(text: str) -> int:
    """Bytes of a text inside an event."""
    return len(json.dumps(text, ensure_ascii=False).encode())
