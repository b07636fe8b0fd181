"""A sync that is answered a second time tells nothing new."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from bot.demo.homeserver import Homeserver

from .bot_process import STUCK, BotProcess
from .conftest import Room, opened
from .proxy import Proxy

pytestmark = pytest.mark.room

CHANGE = "!deploy slow tiny://smooth --target stage"


def runs(bot: BotProcess) -> Counter[str]:
    """How often each command ran to its end: by its event id."""
    with sqlite3.connect(f"file:{bot.folder}/gantry.db?mode=ro", uri=True) as store:
        origins = dict(store.execute("SELECT id, origin FROM operations").fetchall())
    ended = [line["operation"] for line in bot.lines() if line["event"] == "ended"]
    return Counter(origins[operation] for operation in ended)


async def repeated(proxy: Proxy) -> None:
    """Wait until the bot was given every answer again that it was to be given.

    Say something first: a sync that waits for news waits long.
    """
    proxy.echoes = 0
    async with asyncio.timeout(30):
        while proxy.again:
            await asyncio.sleep(0.02)


async def happened_once(room: Room, *commands: str) -> None:
    """Everything ever said ran once and has one answer at most; these commands have one."""
    assert (await room.says("!ping")).text == "pong"
    await repeated(room.proxy)
    assert (await room.says("!ping")).text == "pong"
    assert set(runs(room.bot).values()) == {1}
    answers = await room.person.answers(room.id)
    assert set(commands) < set(answers)
    assert set(commands) < set(runs(room.bot))
    assert {len(messages) for messages in answers.values()} == {1}


async def test_commands_told_again_and_again_run_once(own_room: Room):
    room = own_room
    room.proxy.echoes = 3
    change = await room.person.types(room.id, CHANGE)
    talk = [await room.person.types(room.id, "!version") for _ in range(3)]
    for command in (change, *talk):
        assert (await room.ends(command)).state == "succeeded"
    await happened_once(room, change, *talk)


async def test_a_reaction_told_again_cancels_once(homeserver: Homeserver, tmp_path: Path):
    async with opened(homeserver, tmp_path) as room:
        room.proxy.echoes = 1
        stuck = await room.person.types(room.id, STUCK)
        running = await room.person.until(room.id, stuck, lambda answer: answer.state == "running")
        reaction = await room.person.reacts(room.id, running.event_id, "❌")
        assert (await room.ends(stuck)).state == "cancelled"
        await happened_once(room, stuck)
        assert reaction in runs(room.bot)
        assert reaction not in await room.person.answers(room.id)


async def test_all_that_was_ever_said_told_again_runs_nothing_twice(own_room: Room):
    """The last of the answers leads on from where the bot already was."""
    room = own_room
    change = await room.person.types(room.id, CHANGE)
    await room.ends(change)
    room.proxy.again.extend(room.proxy.syncs)
    await happened_once(room, change)


async def test_an_old_answer_that_leads_back_runs_nothing_twice(own_room: Room):
    """From there on the homeserver itself tells everything again."""
    room = own_room
    before = len(room.proxy.syncs)
    commands = [await room.person.types(room.id, text) for text in ("!version", CHANGE)]
    for command in commands:
        await room.ends(command)
    room.proxy.again.append(room.proxy.syncs[before - 1])
    await happened_once(room, *commands)


async def test_a_killed_bot_that_is_told_everything_again_runs_nothing_twice(own_room: Room):
    room = own_room
    talk = await room.person.types(room.id, "!version")
    await room.ends(talk)
    change = await room.person.types(room.id, CHANGE)
    await room.person.until(room.id, change, lambda answer: answer.state == "running")
    await room.bot.kill()
    room.proxy.again.extend(room.proxy.syncs)
    room.proxy.echoes = 1
    await room.bot.start()
    assert (await room.ends(change)).state == "succeeded"
    await happened_once(room, talk, change)
