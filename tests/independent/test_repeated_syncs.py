"""In an encrypted room, a sync that is answered a second time tells nothing new.

What it brings are keys and ciphertexts the bot has already had.
"""

from __future__ import annotations

from collections import Counter

import pytest

from tests.room.test_repeated_syncs import CHANGE, repeated, runs

from .room import IndependentRoom

pytestmark = pytest.mark.room


async def happened_once(room: IndependentRoom, *commands: str) -> None:
    """Each of these commands ran once and has one answer, and the bot said nothing else."""
    await room.says("!ping")
    await repeated(room.proxy)
    last = await room.says("!ping")
    assert (last.text, last.encrypted) == ("pong", True)
    told = [each for each in await room.js.events(room.id) if each.sender == room.account.user_id]
    answers = [each for each in told if each.type == "m.room.message" and not each.is_edit]
    about = Counter(each.content["gantry.operation"]["event"] for each in answers)
    assert set(runs(room.bot).values()) == set(about.values()) == {1}
    assert set(commands) < set(about)
    assert set(commands) < set(runs(room.bot))


async def test_commands_told_again_and_again_run_once(independent_room: IndependentRoom) -> None:
    room = independent_room
    room.proxy.echoes = 2
    commands = [await room.js.send(room.id, text) for text in (CHANGE, "!version", "!version")]
    for command in commands:
        assert (await room.ends(command)).content["gantry.operation"]["state"] == "succeeded"
    await happened_once(room, *commands)


async def test_a_killed_bot_that_is_told_everything_again_runs_nothing_twice(
    independent_room: IndependentRoom,
) -> None:
    room = independent_room
    talk = await room.js.send(room.id, "!version")
    await room.ends(talk)
    change = await room.js.send(room.id, CHANGE)
    await room.shows(change, "running")
    await room.bot.kill()
    room.proxy.again.extend(room.proxy.syncs)
    room.proxy.echoes = 1
    await room.bot.start()
    assert (await room.ends(change)).content["gantry.operation"]["state"] == "succeeded"
    await happened_once(room, talk, change)
