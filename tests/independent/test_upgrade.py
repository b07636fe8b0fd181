"""An encrypted room that is upgraded goes on encrypted, and the bot goes along."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.demo.homeserver import Homeserver
from tests.room.bot_process import STUCK

from .js_client import JsClient
from .room import IndependentRoom, vouched_for
from .seen import Seen

pytestmark = pytest.mark.room

SLOW = "!deploy slow tiny://smooth --target stage"


@pytest.fixture
async def closed_room(
    homeserver: Homeserver, js: JsClient, tmp_path: Path
) -> AsyncIterator[IndependentRoom]:
    """An encrypted room of an old version that takes an invitation to enter."""
    async with (
        vouched_for(homeserver, tmp_path, js, room_version="10") as room,
        js.excluding_insecure_devices(),
    ):
        yield room


@pytest.fixture
async def open_room(
    homeserver: Homeserver, js: JsClient, tmp_path: Path
) -> AsyncIterator[IndependentRoom]:
    """An encrypted room that anybody may enter, where the bot has some power."""
    made = {"room_version": "11", "preset": "public_chat"}
    async with (
        vouched_for(homeserver, tmp_path, js, **made) as room,
        js.excluding_insecure_devices(),
    ):
        await js.empower(room.id, {room.account.user_id: 50})
        yield room


async def followed(old: IndependentRoom, new: str) -> IndependentRoom:
    """The room that the old one goes on as, once the bot has come along."""
    await old.logs("upgrade followed")
    room = replace(old, id=new)
    await old.js.wait_for(new, sender=old.account.user_id, text="I came along")
    return room


async def told(room: IndependentRoom, question: str, true: Callable[[str], bool]) -> Seen:
    """Ask until the answer is as wanted."""
    async with asyncio.timeout(30):
        while not true((answer := await room.says(question)).text):
            await asyncio.sleep(0.2)
    return answer


def outcomes(table: str) -> dict[str, str]:
    """How the changes among the operations in a table ended."""
    states = ("running", "succeeded", "failed", "cancelled")
    return {
        command: next(state for state in states if state in line)
        for line in table.splitlines()
        for command in (SLOW, STUCK)
        if command.removeprefix("!") in line
    }


async def said(room: IndependentRoom) -> set[str]:
    """The types of what the bot sent, as the homeserver has them."""
    events = await room.js.ask("raw", room=room.id)
    return {event["type"] for event in events if event["sender"] == room.account.user_id}


async def test_commands_in_the_new_room_are_answered_encrypted(
    closed_room: IndependentRoom,
) -> None:
    """It lets the bot in by invitation. What was under way ends, and is told of there."""
    old = closed_room
    _, stuck = [await old.js.send(old.id, text) for text in (SLOW, STUCK)]
    number = (await old.shows(stuck, "running")).content["gantry.operation"]["id"]
    new = await old.js.upgrade(old.id, "12")
    await old.logs("upgrade waits for an invitation")
    await old.js.invite(new, old.account.user_id)
    room = await followed(old, new)

    place = await room.says("!whoami")
    status = await told(room, "!status slow", lambda text: "1 of 1 ready" in text)
    await room.says(f"!cancel {number}")
    ends = {SLOW: "succeeded", STUCK: "cancelled"}
    operations = await told(room, "!ops", lambda text: outcomes(text) == ends)
    await room.bot.kill()
    await room.bot.start()
    answers = [place, status, operations, await room.says("!ping")]

    assert "acts on test" in place.text
    assert all(answer.encrypted for answer in answers)
    assert all(answer.shield == {"colour": "none", "reason": None} for answer in answers)
    assert await said(old) == await said(room) == {"m.room.encrypted", "m.room.member"}


async def test_a_bot_that_may_still_speak_in_the_old_room_tells_the_end_there(
    open_room: IndependentRoom,
) -> None:
    old = open_room
    command = await old.js.send(old.id, STUCK)
    running = await old.shows(command, "running")
    room = await followed(old, await old.js.upgrade(old.id, "12"))
    assert (await room.says("!ping")).encrypted
    await old.js.react(old.id, running.event_id, "❌")
    end = await old.ends(command)

    assert end.event_id == running.event_id
    assert f"cancelled by {old.js.user_id}" in end.text
    assert end.encrypted
    assert end.shield == {"colour": "none", "reason": None}
    assert await said(old) == await said(room) == {"m.room.encrypted", "m.room.member"}
