"""kill -9 at any moment: the same message reaches its end, nothing is orphaned or doubled."""

from __future__ import annotations

import asyncio

import pytest

from .conftest import Room

pytestmark = [pytest.mark.room, pytest.mark.engine]


@pytest.mark.parametrize("moment", [0.0, 0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.35, 0.6])
async def test_a_deploy_survives_being_killed_after(own_room: Room, moment: float):
    room = own_room
    command = await room.person.types(room.id, "!deploy tiny tiny://ops --replicas 2")
    await asyncio.sleep(moment)
    await room.bot.kill()
    await room.bot.start()

    answer = await room.ends(command)
    assert answer.state == "succeeded", answer
    assert len(room.bot.servers()) == 2
    assert len((await room.person.answers(room.id))[command]) == 1, "one message about it"
    assert (await room.says("!infer tiny hello")).state == "succeeded"
    assert "✓ 2/2" in (await room.says("!status")).text


@pytest.mark.parametrize("step", ["prefetch", "start", "wait-ready", "admit", "drain", "stop"])
async def test_an_update_survives_being_killed_at(own_room: Room, step: str):
    room = own_room
    await room.says("!deploy slow tiny://smooth --target stage")
    command = await room.person.types(room.id, "!deploy slow tiny://other --target stage")
    async with asyncio.timeout(20):
        while not any(line.get("step", "").startswith(step) for line in room.bot.lines()):
            await asyncio.sleep(0.005)
    await room.bot.kill()
    await room.bot.start()

    answer = await room.ends(command)
    assert answer.state == "succeeded", answer
    assert len((await room.person.answers(room.id))[command]) == 1
    status = await room.says("!status slow")
    assert "1 of 1 ready" in status.text
    assert status.text.count("slow-") == 2


async def test_being_killed_again_and_again_still_ends_well(own_room: Room):
    room = own_room
    command = await room.person.types(room.id, "!deploy tiny tiny://ops --replicas 3")
    for moment in (0.15, 0.3, 0.45, 0.6):
        await asyncio.sleep(moment)
        await room.bot.kill()
        await room.bot.start(ready=False)
    answer = await room.ends(command)
    assert answer.state == "succeeded"
    assert len(room.bot.servers()) == 3
    assert len((await room.person.answers(room.id))[command]) == 1


async def test_sigterm_leaves_servers_running_and_the_next_bot_adopts_them(own_room: Room):
    room = own_room
    await room.says("!deploy tiny tiny://ops")
    serving = room.bot.servers()
    assert await room.bot.stop() == 0
    assert room.bot.servers() == serving
    await room.bot.start()
    async with asyncio.timeout(20):
        while (await room.says("!infer tiny hello")).state != "succeeded":
            await asyncio.sleep(0.1)
    assert room.bot.servers() == serving


async def test_a_second_bot_on_the_same_state_is_refused(own_room: Room):
    from .bot_process import BotProcess

    twin = BotProcess.__new__(BotProcess)
    twin.__dict__.update(own_room.bot.__dict__, log=own_room.bot.folder / "twin.log")
    await twin.start(ready=False)
    assert await twin.wait() == 1
    assert "another bot holds the state" in twin.log.read_text()
