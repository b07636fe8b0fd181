"""Events -> messages that may be commands. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from bot.matrix.crypto.encoding import mapping
from domain.people import has_account

Event = Mapping[str, Any]
"""An event as the client-server API delivers it."""


@dataclass(frozen=True, slots=True)
class Message:
    """Something a person wrote."""

    event_id: str
    room: str
    sender: str
    body: str
    at: datetime
    """By the clock of the sender's homeserver."""
    thread: str | None = None
    """The root of the thread it was said in."""
    exposed: bool = False
    """True when it was said in the clear in an encrypted room: a homeserver can forge that."""
    device: str | None = None
    """The sender's device that encrypted it, if that is known."""
    vouched: bool = False
    """True when the sender's own identity, the one they were met with, has signed that device."""
    master: str | None = None
    """The public master key of an identity of the sender's that has; it may be a new one."""
    enclosed: str | None = None
    """The message that may be a picture or a file these words are about: itself, or what it
    replies to."""
    file: bool = False
    """True when they are the caption of a file that is no picture."""


def read(event: Event, room: str, me: str) -> Message | None:
    """The message an event is; None if it is none, or our own, or not meant to be acted on.

    Notices are other bots' (answering them makes loops), edits would run an old command again,
    redacted events have lost their words.
    """
    content = event.get("content")
    if event.get("type") != "m.room.message" or not isinstance(content, Mapping):
        return None
    body, relation = content.get("body"), content.get("m.relates_to")
    relation = relation if isinstance(relation, Mapping) else {}
    if event.get("sender") == me or not (content.get("msgtype") == "m.text" or captioned(content)):
        return None
    if relation.get("rel_type") == "m.replace" or not isinstance(body, str):
        return None
    body = text_of(body) or ""
    if "m.in_reply_to" in relation:
        body = without_fallback(body)
    event_id, sender = id_of(event), sender_of(event)
    at = said_at(event)
    if at is None or event_id is None or sender is None:
        return None
    threaded = relation.get("rel_type") == "m.thread"
    thread = text_of(relation.get("event_id")) if threaded else None
    enclosed = event_id if captioned(content) else _replied_to(relation)
    file = content.get("msgtype") == "m.file"
    return Message(event_id, room, sender, body, at, thread, enclosed=enclosed, file=file)


def captioned(content: Mapping[str, Any]) -> bool:
    """Whether it is a picture or a file with words of somebody's own: a body beside its name, as
    Matrix has it since 1.10."""
    name = content.get("filename")
    return (
        content.get("msgtype") in ("m.image", "m.file")
        and isinstance(name, str)
        and name != content.get("body")
    )


def _replied_to(relation: Mapping[str, Any]) -> str | None:
    """What somebody chose to reply to; in a thread clients name the last message by themselves."""
    if relation.get("rel_type") == "m.thread" and relation.get("is_falling_back"):
        return None
    return text_of(mapping(relation.get("m.in_reply_to")).get("event_id"))


def text_of(value: object) -> str | None:
    """Text somebody sent, mended so that a database can keep it; None for what is no text.

    SQLite takes no lone surrogates, PostgreSQL no NUL either.
    """
    if not isinstance(value, str):
        return None
    return value.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def id_of(event: Event) -> str | None:
    """What an event goes by. Nothing else is one: a homeserver that sends `webhook:ci:7` takes no
    delivery's place."""
    event_id = text_of(event.get("event_id"))
    return event_id if event_id is not None and event_id.startswith("$") else None


def sender_of(event: Event) -> str | None:
    """The Matrix id that an event is of. Nothing else is anybody: a homeserver that sends
    `webhook:ci`, or a name of the bot's own, speaks for none of them."""
    sender = text_of(event.get("sender"))
    return sender if sender is not None and has_account(sender) else None


def without_fallback(body: str) -> str:
    """A reply's own words, without the quote old clients put before them."""
    lines = body.split("\n")
    while lines and lines[0].startswith("> "):
        lines.pop(0)
    return "\n".join(lines).lstrip("\n") if len(lines) < len(body.split("\n")) else body


def since_joining(events: Iterable[Event], me: str) -> list[Event]:
    """What came after we joined; everything, where that is not among the events.

    What people said before they let us in was not said to us.
    """
    kept: list[Event] = []
    for event in events:
        if _is_joining(event, me):
            kept = []
        kept.append(event)
    return kept


def messages(
    events: Iterable[Event], room: str, me: str, exposed: Container[str] = ()
) -> Iterator[Message]:
    """Every message among a room's events, in order. `exposed` are ids (see `exposed_among`)."""
    for event in since_joining(events, me):
        message = read(event, room, me)
        if message is not None:
            yield replace(message, exposed=message.event_id in exposed)


def exposed_among(
    events: Iterable[Event], clear: Container[str], *, encrypted: bool
) -> Iterator[str]:
    """Ids of those of a room's events that came in the clear when it was encrypted already.

    `clear` are ids of all that came so; `encrypted` says how the room was before the first.
    """
    for event in events:
        name = event.get("event_id")
        if event.get("type") == "m.room.encryption" and event.get("state_key") == "":
            encrypted = True
        elif encrypted and isinstance(name, str) and name in clear:
            yield text_of(name) or ""


def begins_encryption(event: Event) -> bool:
    """Whether a room was not encrypted before that event, and is from then on."""
    if event.get("type") != "m.room.encryption" or event.get("state_key") != "":
        return False
    unsigned = mapping(event.get("unsigned"))
    return not (unsigned.get("replaces_state") or unsigned.get("prev_content"))


def sealed(events: Iterable[Event], me: str) -> Iterator[Event]:
    """Encrypted events among a room's that could not be read, and might be commands.

    An edit's relation stays in clear: those are none. A redacted one has nothing to read.
    """
    for event in since_joining(events, me):
        content = event.get("content")
        if event.get("type") != "m.room.encrypted" or not isinstance(content, Mapping):
            continue
        relation = content.get("m.relates_to")
        edits = isinstance(relation, Mapping) and relation.get("rel_type") == "m.replace"
        name = event.get("event_id")
        named = isinstance(name, str) and text_of(name) == name
        if event.get("sender") != me and named and not edits and "ciphertext" in content:
            yield event


def said_at(event: Event) -> datetime | None:
    """When an event was sent, by its homeserver's clock; None for one that does not say."""
    try:
        return datetime.fromtimestamp(event["origin_server_ts"] / 1000, UTC)
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return None


def _is_joining(event: Event, me: str) -> bool:
    if event.get("type") != "m.room.member" or event.get("state_key") != me:
        return False
    before = mapping(mapping(event.get("unsigned")).get("prev_content"))
    now = mapping(event.get("content"))
    return now.get("membership") == "join" and before.get("membership") != "join"


def command(body: str, prefix: str) -> str | None:
    """The command in a message, without its prefix; None if it is just talk.

    A prefix that is not followed by a letter (`!!!`, `! oh`) is talk.
    """
    text = body.strip()
    rest = text[len(prefix) :]
    return rest if text.startswith(prefix) and rest[:1].isalpha() else None
