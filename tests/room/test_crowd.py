"""Twenty people, ten services, two hundred commands and a kill -9 every few seconds."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import random
import sqlite3
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bot.demo.homeserver import Homeserver
from domain.operations import operation_id
from domain.replicas import Phase, ReplicaId
from domain.services import ServiceSpec

from .conftest import Room, opened
from .crowd import OPERATORS, SERVICES, TARGETS, VIEWERS, Line, lines
from .person import Person

pytestmark = pytest.mark.room

SEED = int(os.environ.get("GANTRY_CROWD_SEED") or random.SystemRandom().randrange(10_000))
"""Say the one of a failure to see the same things said again, by the same people."""

COMMANDS = 200
SPREAD = 15.0
"""Seconds that people think, all in all, before they say them."""

PATIENCE = 120.0
"""Seconds for everything that was said to end, once nobody says any more."""

CONFIGURATION: dict[str, Any] = {
    "targets": {
        "quick": {"kind": "rehearsal", "pace": 0.0},
        "steady": {"kind": "rehearsal", "pace": 0.01},
        "slow": {"kind": "rehearsal", "pace": 0.05},
    },
    "environments": {"test": {"targets": list(TARGETS), "default_target": "steady"}},
    "access": {"viewer": ["*"], "operator": ["@ann*:*", "@oper*:*"]},
    "monitoring": {"probe_every": "1s"},
}


@pytest.fixture
async def crowd(homeserver: Homeserver, tmp_path: Path):
    """A room with the bot, and everybody in it."""
    async with (
        opened(homeserver, tmp_path, **CONFIGURATION) as room,
        aiohttp.ClientSession() as session,
    ):
        names = [f"oper{n}" for n in range(OPERATORS)] + [f"view{n}" for n in range(VIEWERS)]
        people = []
        for name in names:
            account = await homeserver.register(f"{name}x{room.bot.pid}")
            person = Person(session, homeserver.url, account)
            await room.person.call("POST", f"/rooms/{room.id}/invite", user_id=person.user_id)
            await person.call("POST", f"/rooms/{room.id}/join")
            people.append(person)
        yield room, people


async def test_every_command_ends_once_and_what_is_wanted_runs(crowd):
    room, people = crowd
    print(f"GANTRY_CROWD_SEED={SEED}")
    dice = random.Random(SEED)
    killing = asyncio.create_task(killed_now_and_then(room, dice))
    sent: list[str] = []
    for line in lines(SEED, COMMANDS):
        sent += await said(room, people, line)
        await asyncio.sleep(SPREAD / COMMANDS)
    killing.cancel()
    await asyncio.wait([killing])
    await room.bot.kill()
    await room.bot.start()

    ended = await all_ended(room, sent)
    await all_told(room, sent, ended)
    assert {"succeeded", "failed", "cancelled"} >= {*ended.values()} >= {"succeeded", "failed"}
    nothing_is_half_done(room)
    await everything_is_on_record(room, sent)
    assert not kept(room, "SELECT id FROM operations WHERE sender = 'keeper'"), "nothing broke"
    await everything_can_be_changed(room, people[0])
    nothing_is_half_done(room)


async def said(room: Room, people: list[Person], line: Line) -> list[str]:
    """Have a line said, and called off by whoever does; the event ids."""
    event = await people[line.speaker].types(room.id, f"!{line.text}")
    if line.called_off_by is None:
        return [event]
    by = people[line.called_off_by]
    return [event, await by.types(room.id, f"!cancel {operation_id(event)}")]


async def killed_now_and_then(room: Room, dice: random.Random) -> None:
    """kill -9, sometimes before the bot is even ready."""
    while True:
        await asyncio.sleep(dice.uniform(0.5, 4.0))
        await room.bot.kill()
        await room.bot.start(ready=False)


async def all_ended(room: Room, sent: list[str]) -> dict[str, str]:
    """Wait until every command is an operation that ended. Event id -> how."""
    states: dict[str, str] = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while {*states} < {*sent} or {*states.values()} & {"filed", "running"}:
                await asyncio.sleep(0.2)
                rows = kept(room, "SELECT origin, state FROM operations WHERE origin LIKE '$%'")
                states = dict(rows)
    except TimeoutError as error:
        rows = kept(room, "SELECT id, text, state FROM operations WHERE ended_at IS NULL")
        error.add_note(f"not ended: {rows}; never filed: {[e for e in sent if e not in states]}")
        raise
    assert Counter(states.keys()) == Counter(sent)
    return states


async def all_told(room: Room, sent: list[str], ended: dict[str, str]) -> None:
    """Wait until the room reads, of every command, one answer that says how it ended."""
    told: dict[str, str] = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while told != ended:
                answers = await room.person.answers(room.id)
                told = {event: answers[event][0].state for event in sent if event in answers}
    except TimeoutError as error:
        error.add_note(f"{[(e, ended[e], told.get(e)) for e in sent if ended[e] != told.get(e)]}")
        raise
    calls = {e: [a for a in answers[e] if a.content["m.mentions"]] for e in sent}
    assert {e: len(answers[e]) - len(calls[e]) for e in sent} == dict.fromkeys(sent, 1)


async def everything_is_on_record(room: Room, sent: list[str]) -> None:
    """The chain of the audit holds, and has one record of the end of every command."""
    assert (await gantry("audit", "verify", room)).startswith("✓ records: ")
    exported = (await gantry("audit", "export", room)).splitlines()
    records = [json.loads(line) for line in exported]
    ends = Counter(each.get("event") for each in records if each["kind"] == "operation")
    assert {event: ends[event] for event in sent} == dict.fromkeys(sent, 1)


async def gantry(*words: str | Room) -> str:
    """What a command of the command line prints, on a room's bot. It has to succeed."""
    *command, room = words
    assert isinstance(room, Room)
    told = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot", *map(str, command), "--config", str(room.bot.config)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await told.communicate()
    assert told.returncode == 0, err.decode()
    return out.decode()


def nothing_is_half_done(room: Room) -> None:
    """What is wanted of every service, and nothing else, runs on every target."""
    specs = {
        name: ServiceSpec.model_validate_json(spec)
        for name, spec in kept(room, "SELECT name, spec FROM services")
    }
    for name, target in itertools.product(SERVICES, TARGETS):
        spec = specs.get(name)
        wanted = {
            str(ReplicaId(name, spec.revision, n)): Phase.READY
            for n in range(spec.replicas_on(target) if spec else 0)
        }
        assert alive(room, name, target) == wanted, f"{name} on {target}"


def alive(room: Room, name: str, target: str) -> dict[str, Phase]:
    """What a rehearsal pretends to run, from its own file."""
    file = room.bot.folder / "targets" / target / f"{name}.json"
    roles = json.loads(file.read_text()) if file.exists() else {}
    phases = {replica: Phase(role["phase"]) for replica, role in roles.items()}
    return {replica: phase for replica, phase in phases.items() if phase.alive}


async def everything_can_be_changed(room: Room, operator: Person) -> None:
    """Nobody is busy with anything, and but for the locks people left nothing is refused."""
    locked = kept(room, "SELECT scope FROM locks")
    orders = [f"!unlock {name}" for (name,) in locked]
    unlocked = [await operator.types(room.id, order) for order in orders]
    for event in [*unlocked, status := await operator.types(room.id, "!status")]:
        assert (await room.ends(event)).state == "succeeded"
    assert "is changing it" not in (await room.ends(status)).text
    names = [name for (name,) in kept(room, "SELECT name FROM services")]
    changes = [await operator.types(room.id, f"!deploy {name} --set last=1") for name in names]
    for event in changes:
        assert (await room.ends(event)).state == "succeeded"


def kept(room: Room, query: str) -> list[tuple[Any, ...]]:
    """Rows of the bot's state."""
    with sqlite3.connect(f"file:{room.bot.folder}/gantry.db?mode=ro", uri=True) as store:
        return store.execute(query).fetchall()
