"""kill -9 at many moments of many things under way: sent = executed = answered, always."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter

import pytest

from .conftest import Room

pytestmark = pytest.mark.room

UNDER_WAY = {
    "talk": ["!ping", "!version", "!whoami"],
    "a deployment": ["!deploy slow tiny://smooth --target stage", "!ping"],
    "scaling": ["!scale slow 3", "!scale slow 1", "!status slow"],
    "a failing change": ["!deploy slow tiny://never-ready --target stage", "!ops"],
}
MOMENTS = [n / 50 for n in range(15)]
"""Seconds from the last command to the kill: 0 to 0.28. What is under way takes about that."""


def executed(room: Room) -> dict[str, str]:
    """Event id -> state, for every command the bot ever took up."""
    with sqlite3.connect(f"file:{room.bot.folder}/gantry.db?mode=ro", uri=True) as store:
        rows = store.execute("SELECT origin, state FROM operations WHERE origin LIKE '$%'")
        return dict(rows.fetchall())


@pytest.mark.parametrize("what", UNDER_WAY)
async def test_killed_at_every_moment_of(own_room: Room, what: str):
    """Fifteen kills each, sixty in all; the encrypted room has its own."""
    room = own_room
    if "slow" in UNDER_WAY[what][0] and what != "a deployment":
        await room.says("!deploy slow tiny://smooth --target stage")
    sent: list[str] = []
    for moment in MOMENTS:
        sent += [await room.person.types(room.id, text) for text in UNDER_WAY[what]]
        await asyncio.sleep(moment)
        await room.bot.kill()
        await room.bot.start(ready=False)
        for command in sent[-len(UNDER_WAY[what]) :]:
            await room.ends(command)

    answers = await room.person.answers(room.id)
    assert Counter({command: len(answers[command]) for command in sent}) == Counter(sent)
    states = executed(room)
    assert {command: states[command] for command in sent} == {
        command: answers[command][0].state for command in sent
    }
    expected = {"failed", "succeeded"} if what == "a failing change" else {"succeeded"}
    assert {states[command] for command in sent} == expected
