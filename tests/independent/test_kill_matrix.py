"""kill -9 in an encrypted room: sent = executed = answered, whatever was under way."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter

import pytest

from .room import IndependentRoom

pytestmark = pytest.mark.room

UNDER_WAY = {
    "talk": ["!ping", "!version"],
    "a deployment": ["!deploy slow tiny://smooth --target stage", "!ping"],
}
MOMENTS = [n / 50 for n in range(20)]


@pytest.mark.parametrize("what", UNDER_WAY)
async def test_killed_at_every_moment_of(independent_room: IndependentRoom, what: str) -> None:
    room = independent_room
    sent: list[str] = []
    for moment in MOMENTS:
        sent += [await room.js.send(room.id, text) for text in UNDER_WAY[what]]
        await asyncio.sleep(moment)
        await room.bot.kill()
        await room.bot.start(ready=False)
        for command in sent[-len(UNDER_WAY[what]) :]:
            await room.ends(command)

    answers: Counter[str] = Counter()
    for event in await room.js.events(room.id):
        note = event.content.get("gantry.operation")
        if note and not event.is_edit and event.sender == room.account.user_id:
            answers[note["event"]] += 1
    assert {command: answers[command] for command in sent} == dict.fromkeys(sent, 1)
    with sqlite3.connect(f"file:{room.bot.folder}/gantry.db?mode=ro", uri=True) as store:
        rows = store.execute("SELECT origin, state FROM operations WHERE origin LIKE '$%'")
        states = dict(rows.fetchall())
    assert {states[command] for command in sent} == {"succeeded"}
