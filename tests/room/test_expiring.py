"""What was only meant for the afternoon, before a real homeserver."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

import pytest

from .bot_process import STUCK
from .conftest import Room

pytestmark = pytest.mark.room

DEPLOY = "!deploy brief tiny://smooth --target stage --ttl 1m"
"""A minute's notice of a minute: it is asked about at the next look."""


async def read(room: Room, words: str) -> dict[str, Any]:
    """Read along until a message of the bot's says that. Returns its event."""
    async with asyncio.timeout(60):
        while True:
            for event in await room.person.sees(room.id):
                content = event.get("content", {})
                if words in content.get("m.new_content", content).get("body", ""):
                    return event
            await asyncio.sleep(0.1)


def hurry(room: Room) -> None:
    """Have the end that was asked about be over. Only while the bot is down."""
    state = sqlite3.connect(room.bot.folder / "gantry.db")
    state.execute("UPDATE expiries SET at = '2026-01-01 00:00:00.000000'")
    state.execute("UPDATE expiries SET asked_for = at")
    state.commit()
    state.close()


async def test_a_thumb_under_the_question_keeps_it_even_if_the_bot_was_dead(own_room: Room):
    room = own_room
    assert "It stays until" in (await room.says(DEPLOY)).text
    asked = await read(room, "react 👍 for another 1 min")
    assert asked["content"]["m.mentions"] == {"user_ids": [room.person.user_id]}
    assert asked["content"]["msgtype"] == "m.text"
    await room.bot.kill()
    await room.person.reacts(room.id, asked["event_id"], "👍🏼")
    await room.bot.start()
    answered = await read(room, "it is kept until")
    assert answered["content"]["m.relates_to"]["event_id"] == asked["event_id"]
    await room.says("!remove brief")


async def test_what_nobody_kept_is_removed_by_the_bot_itself(own_room: Room):
    room = own_room
    await room.says(DEPLOY)
    await read(room, "react 👍 for another 1 min")
    await room.bot.kill()
    hurry(room)
    await room.bot.start()
    await read(room, "✓ brief is removed, logs included: nobody said that it is to stay.")
    assert "there is no service `brief`" in (await room.says("!status brief")).text
    asked = [
        event
        for event in await room.person.sees(room.id)
        if "react 👍" in event.get("content", {}).get("body", "")
    ]
    assert len(asked) == 1


async def test_a_cancelled_change_says_what_it_did_and_lets_the_service_go(own_room: Room):
    room = own_room
    command = await room.person.types(room.id, STUCK)
    await room.person.until(room.id, command, lambda answer: "wait-ready" in answer.text)
    name = (await room.says("!locks")).text
    assert f"stuck is being changed by {room.person.user_id} since" in name
    running = (await room.person.answers(room.id))[command][0]
    operation = running.content["gantry.operation"]["id"]
    assert (await room.says(f"!cancel {operation}")).state == "succeeded"
    ended = await room.ends(command)
    assert ended.state == "cancelled"
    assert "after 2 of 5 steps: stuck-" in ended.text
    assert "was started and stopped again" in ended.text
    assert (await room.says("!locks")).text == "Nothing is locked"
    again = await room.says("!deploy stuck tiny://smooth --target stage")
    assert again.state == "succeeded"
