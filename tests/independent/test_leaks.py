"""A message that is on its way while somebody turns encryption on does not stay in the clear."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from bot.demo.homeserver import Homeserver

from .js_client import JsClient
from .room import IndependentRoom, opened
from .seen import Seen

pytestmark = pytest.mark.room

SLOW = "!deploy slow tiny://smooth --target stage --replicas 3"


@pytest.fixture
async def plain_room(
    homeserver: Homeserver, js: JsClient, tmp_path: Path
) -> AsyncIterator[IndependentRoom]:
    """A room that is not encrypted yet."""
    async with opened(homeserver, tmp_path, js, encrypted=False) as room:
        yield room


def nth_send(number: int) -> Callable[[web.Request], bool]:
    """Whether a request is the bot's so many-th message in the clear."""
    paths: list[str] = []

    def is_it(request: web.Request) -> bool:
        if "/send/m.room.message/" in request.path and request.path not in paths:
            paths.append(request.path)
        return paths[number - 1 : number] == [request.path]

    return is_it


async def overtaken(room: IndependentRoom, text: str, *, send: int = 1) -> str:
    """Say something, and have encryption turned on while the bot's so many-th message about it is
    on its way. Returns the command."""
    room.proxy.hold = nth_send(send)
    command = await room.js.send(room.id, text)
    async with asyncio.timeout(60):
        await room.proxy.held.wait()
    await room.js.ask("encrypt", room=room.id)
    return command


async def history(room: IndependentRoom) -> list[dict[str, Any]]:
    """What the homeserver has of the bot's since encryption is on."""
    events = await room.js.ask("raw", room=room.id)
    on = next(i for i, event in enumerate(events) if event["type"] == "m.room.encryption")
    return [event for event in events[on:] if event["sender"] == room.account.user_id]


async def clean(room: IndependentRoom) -> list[dict[str, Any]]:
    """The same, once nothing in it can be read by everybody."""
    async with asyncio.timeout(30):
        while any(e["type"] == "m.room.message" and e["content"] for e in await history(room)):
            await asyncio.sleep(0.1)
    events = await history(room)
    assert not [event for event in events if "reason" in event["content"]]
    return events


async def read(room: IndependentRoom, text: str) -> list[Seen]:
    """What a person now reads of the bot's that begins like that."""
    events = await room.js.events(room.id)
    ours = [event for event in events if event.sender == room.account.user_id]
    shown = [event for event in ours if not event.is_edit and not event.redacted]
    return [event for event in shown if event.text.startswith(text)]


async def answered(room: IndependentRoom, text: str) -> list[Seen]:
    """What a person reads once there is an encrypted answer and nothing in the clear."""
    await room.js.until(
        room.id, lambda event: event.encrypted and event.text.startswith(text), seconds=60
    )
    await clean(room)
    await room.js.until(room.id, lambda event: event.redacted)
    return await read(room, text)


async def test_an_answer_overtaken_by_encryption_is_taken_away_and_said_again_encrypted(
    plain_room: IndependentRoom,
) -> None:
    await overtaken(plain_room, "!ping")
    plain_room.proxy.let_go()
    [answer] = await answered(plain_room, "pong")
    leaked, *later = [e for e in await history(plain_room) if "state_key" not in e]
    await plain_room.says("!version")

    assert leaked["type"] == "m.room.message"
    assert answer.encrypted
    assert {event["type"] for event in later} <= {"m.room.encrypted", "m.room.redaction"}
    assert len(await read(plain_room, "pong")) == 1
    assert plain_room.bot.said().count("went out in the clear") == 1


async def test_an_edit_overtaken_by_encryption_is_said_again_encrypted(
    plain_room: IndependentRoom,
) -> None:
    """The message itself was said before and stays; it tells its end under the same event."""
    command = await overtaken(plain_room, SLOW, send=2)
    plain_room.proxy.let_go()
    end = await plain_room.ends(command)
    events = await clean(plain_room)

    assert "slow is live on stage" in end.text
    assert plain_room.bot.said().count("went out in the clear") == 1
    assert [e["content"] for e in events if e["type"] == "m.room.message"] == [{}]
    assert len([e for e in await read(plain_room, "") if about(e) == command]) == 1


async def test_progress_overtaken_by_encryption_goes_on_in_another_message(
    plain_room: IndependentRoom,
) -> None:
    command = await overtaken(plain_room, SLOW)
    plain_room.proxy.let_go()
    await plain_room.ends(command)
    await clean(plain_room)
    await plain_room.js.until(plain_room.id, lambda event: event.redacted)

    [told] = [event for event in await read(plain_room, "") if about(event) == command]
    assert told.encrypted
    assert "slow is live on stage" in told.text


@pytest.mark.parametrize("answer_lost", [True, False])
async def test_a_bot_killed_before_it_could_know_finds_it_when_it_is_back(
    plain_room: IndependentRoom, answer_lost: bool
) -> None:
    """Whether or not it heard that its message had arrived."""
    proxy = plain_room.proxy
    await overtaken(plain_room, "!ping")
    proxy.trouble = lambda request: web.Response(status=502) if _reads(request) else None
    already = len(proxy.sent)
    if answer_lost:
        proxy.cut_after = "/send/m.room.message/"
    proxy.let_go()
    async with asyncio.timeout(30):
        while len(proxy.sent) == already:
            await asyncio.sleep(0.01)
    await plain_room.bot.kill()
    proxy.trouble = None
    await plain_room.bot.start()

    [answer] = await answered(plain_room, "pong")
    assert answer.encrypted
    await plain_room.says("!version")
    assert len(await read(plain_room, "pong")) == 1


async def test_what_was_said_before_encryption_stays_even_if_the_sync_is_read_again(
    plain_room: IndependentRoom,
) -> None:
    """The sync that shows it says that encryption is on as well, and comes three times."""
    room = plain_room
    await room.says("!ping")
    await room.bot.kill()
    await room.js.ask("encrypt", room=room.id)
    room.proxy.echoes = 2
    await room.bot.start()
    await room.says("!version")
    shown = [sync for sync in room.proxy.syncs if b"pong" in sync and b"m.room.encryption" in sync]

    assert shown
    assert len(await read(room, "pong")) == 1
    assert "went out in the clear" not in room.bot.said()


def about(event: Seen) -> str | None:
    """The command a message is about."""
    note = event.content.get("gantry.operation", {})
    return str(note["event"]) if note else None


def _reads(request: web.Request) -> bool:
    return request.path.endswith("/sync")
