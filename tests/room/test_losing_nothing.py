"""Every command is answered once, whatever the network and the homeserver do."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from .conftest import Room
from .proxy import limited

pytestmark = pytest.mark.room


async def answered_once(room: Room, commands: list[str], seconds: float = 60) -> None:
    """Wait until every command has an answer, and see that none has two."""
    async with asyncio.timeout(seconds):
        while True:
            answers = await room.person.answers(room.id)
            if all(command in answers for command in commands):
                break
            await asyncio.sleep(0.1)
    assert all(len(answers[command]) == 1 for command in commands)
    assert {answers[command][0].state for command in commands} == {"succeeded"}


async def test_twenty_commands_at_once(own_room: Room):
    typed = await asyncio.gather(*(own_room.person.types(own_room.id, "!ping") for _ in range(20)))
    await answered_once(own_room, typed)


@pytest.mark.parametrize("count", [60, 500])
async def test_commands_said_while_the_bot_was_away(own_room: Room, count: int):
    """More than one timeline holds: the gap is filled from the room's history."""
    room = own_room
    await room.bot.stop()
    typed = []
    for number in range(count):
        text = "!ping" if number % 20 == 0 else f"chatter {number}"
        event = await room.person.types(room.id, text)
        typed += [event] if text == "!ping" else []
    await room.bot.start()
    await answered_once(room, typed)
    assert "gap filled" in room.bot.said() or count < 200


async def test_killed_while_answering_many(own_room: Room):
    room = own_room
    typed = await asyncio.gather(*(room.person.types(room.id, "!ping") for _ in range(30)))
    await asyncio.sleep(0.15)
    await room.bot.kill()
    await room.bot.start()
    await answered_once(room, typed)


async def test_an_answer_whose_receipt_was_lost_is_not_said_twice(own_room: Room):
    room = own_room
    room.proxy.cut_after = "/send/m.room.message"
    typed = await room.person.types(room.id, "!ping")
    await answered_once(room, [typed])
    assert len(room.proxy.sent) == 2
    assert len(set(room.proxy.sent)) == 1, "sent again under the same transaction id"


async def test_a_sync_whose_answer_was_lost_is_asked_again(own_room: Room):
    room = own_room
    room.proxy.cut_after = "/sync"
    await answered_once(room, [await room.person.types(room.id, "!ping")])


async def test_rate_limits_delay_and_lose_nothing(own_room: Room):
    room = own_room
    refused = 0

    def trouble(request: web.Request) -> web.Response | None:
        nonlocal refused
        if "/send/" in request.path and refused < 5:
            refused += 1
            return limited(200)
        return None

    room.proxy.trouble = trouble
    typed = [await room.person.types(room.id, "!ping") for _ in range(3)]
    await answered_once(room, typed)
    assert refused == 5


async def test_a_homeserver_that_fails_for_a_while(own_room: Room):
    room = own_room
    room.proxy.trouble = lambda _: web.json_response({}, status=502)
    typed = await room.person.types(room.id, "!ping")
    async with asyncio.timeout(20):
        while "cannot sync" not in room.bot.said():
            await asyncio.sleep(0.05)
    room.proxy.trouble = None
    await answered_once(room, [typed])


async def test_a_homeserver_that_stalls(own_room: Room):
    room = own_room
    room.proxy.stall()
    typed = await room.person.types(room.id, "!ping")
    await asyncio.sleep(0.5)
    room.proxy.flow()
    await answered_once(room, [typed])


async def test_what_was_said_before_the_bot_was_let_in_is_not_for_it(own_room: Room):
    room = own_room
    bot = next(line["user"] for line in room.bot.lines() if line["event"] == "logged in")
    other = await room.person.opens_room(f"late-{room.bot.pid}")
    early = await room.person.types(other, "!ping")
    await room.person.call("POST", f"/rooms/{other}/invite", user_id=bot)
    async with asyncio.timeout(20):
        while room.bot.said().count("joined") < 2:
            await asyncio.sleep(0.05)
    late = await room.person.types(other, "!ping")
    await room.person.until(other, late, lambda answer: answer.state == "succeeded")
    assert early not in await room.person.answers(other)


async def test_a_login_that_is_gone_ends_the_process_with_a_sentence(own_room: Room):
    room = own_room
    room.proxy.trouble = lambda _: web.json_response(
        {"errcode": "M_UNKNOWN_TOKEN", "error": "Token is not active"}, status=401
    )
    await room.person.types(room.id, "!ping")
    assert await room.bot.wait() == 1
    assert "no longer accepts the bot's login" in room.bot.log.read_text()
