"""Two real bots on one database before one homeserver: one acts, the other goes on from there."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from bot.demo.homeserver import Homeserver
from bot.demo.leftovers import stop_leftovers
from tests.postgres import Cluster, name_of

from .bot_process import BotProcess, settings
from .conftest import Room
from .person import Person
from .proxy import Proxy

pytestmark = pytest.mark.room

DEPLOY = "!deploy slow tiny://smooth --target stage"


@dataclass
class Pair:
    """A room, and two bots that share an account, a database and what they rehearse on."""

    room: Room
    first: BotProcess
    second: BotProcess
    proxies: tuple[Proxy, Proxy]
    cluster: Cluster
    database: str

    async def stand_by(self) -> None:
        """Start the second, and wait until it waits."""
        await self.second.start(ready=False)
        await logged(self.second, "waiting")

    async def executed(self) -> dict[str, str]:
        """Event id -> state, for every command that was ever taken up."""
        rows = await self.cluster.run(self.database, "SELECT origin, state FROM operations")
        return {row["origin"]: row["state"] for row in rows if row["origin"].startswith("$")}

    async def check(self, commands: list[str]) -> None:
        """Each command ran once and was answered once, and both agree on how."""
        for command in commands:
            await self.room.ends(command)
        answers = await self.room.person.answers(self.room.id)
        assert Counter({each: len(answers[each]) for each in commands}) == Counter(commands)
        states = await self.executed()
        assert {each: states[each] for each in commands} == {
            each: answers[each][0].state for each in commands
        }
        assert {states[each] for each in commands} == {"succeeded"}


async def logged(bot: BotProcess, event: str, times: int = 1, seconds: float = 30) -> None:
    """Wait until a bot's log has something."""
    async with asyncio.timeout(seconds):
        while bot.said().count(event) < times:
            await asyncio.sleep(0.02)


async def reached(bot: BotProcess, step: str) -> None:
    """Wait until a bot has begun a step of a change."""
    async with asyncio.timeout(20):
        while not any(line.get("step", "").startswith(step) for line in bot.lines()):
            await asyncio.sleep(0.005)


@pytest.fixture
async def pair(homeserver: Homeserver, postgres: Cluster, tmp_path: Path) -> AsyncIterator[Pair]:
    url = await postgres.fresh()
    name = name_of(url)
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        proxies = [await stack.enter_async_context(Proxy.before(homeserver.url)) for _ in range(2)]
        robot = await homeserver.register(f"pair-{name}")
        ann = Person(session, homeserver.url, await homeserver.register(f"ann-{name}"))
        mallory = Person(session, homeserver.url, await homeserver.register(f"mallory-{name}"))
        room = await ann.opens_room(f"pair-{name}", robot.user_id)
        bots = []
        for number, proxy in zip(("one", "two"), proxies, strict=True):
            folder = tmp_path / number
            folder.mkdir()
            state = {"url": url, "folder": str(tmp_path / "state"), "instance": number}
            made = settings(folder, proxy.url, robot, room, [ann.user_id], state=state)
            bots.append(BotProcess(folder, made))
        first, second = bots
        await first.start()
        await logged(first, "joined")
        yield Pair(
            Room(room, ann, first, proxies[0], mallory),
            first,
            second,
            (proxies[0], proxies[1]),
            postgres,
            name,
        )
        for bot in bots:
            await bot.kill()
        await stop_leftovers(tmp_path, patience=10)


@pytest.mark.parametrize("step", ["start", "admit"])
async def test_killed_in_the_middle_of_a_deploy_another_goes_on(pair: Pair, step: str):
    room, person = pair.room, pair.room.person
    await pair.stand_by()
    assert pair.second.lines()[-1]["why"] == "standing by for one"
    commands = [await person.types(room.id, DEPLOY)]
    await reached(pair.first, step)
    commands += [await person.types(room.id, f"!{word}") for word in ("ping", "version", "ops")]
    await pair.first.kill()
    commands.append(await person.types(room.id, "!whoami"))
    await logged(pair.second, "acting", seconds=15)
    await pair.check(commands)
    assert "1 of 1 ready" in (await room.says("!status slow")).text


@pytest.mark.parametrize("moment", [0.0, 0.06, 0.15])
async def test_killed_while_it_answers_nothing_is_said_twice(pair: Pair, moment: float):
    """The second speaks as another device: no transaction id helps it."""
    room, person = pair.room, pair.room.person
    await pair.stand_by()
    commands = [await person.types(room.id, "!ping") for _ in range(8)]
    await asyncio.sleep(moment)
    await pair.first.kill()
    await logged(pair.second, "acting", seconds=15)
    await pair.check(commands)


async def test_frozen_it_ends_when_it_wakes_and_does_nothing_more(pair: Pair):
    room, person = pair.room, pair.room.person
    await pair.stand_by()
    commands = [await person.types(room.id, DEPLOY)]
    await reached(pair.first, "start")
    commands += [await person.types(room.id, "!ping") for _ in range(3)]
    os.kill(pair.first.pid, signal.SIGSTOP)
    await logged(pair.second, "acting", seconds=15)
    await pair.check(commands)

    # by now what was on its way when it froze has arrived
    sent, steps = list(pair.proxies[0].sent), pair.first.said().count("step")
    os.kill(pair.first.pid, signal.SIGCONT)
    assert await pair.first.wait() == 1
    assert "one of them may act now" in pair.first.log.read_text()
    assert pair.proxies[0].sent == sent
    assert pair.first.said().count("step") == steps
    await pair.check([*commands, await person.types(room.id, "!ping")])


async def test_stopped_in_order_the_next_one_goes_on_at_once(pair: Pair):
    """It does not wait for the lease to end: that is let go of."""
    room, person = pair.room, pair.room.person
    await pair.stand_by()
    commands = [await person.types(room.id, DEPLOY)]
    await reached(pair.first, "start")
    assert await pair.first.stop() == 0
    [row] = await pair.cluster.run(
        pair.database, "SELECT until = '-infinity' OR epoch > 1 AS let_go FROM lease"
    )
    assert row["let_go"]
    await pair.check(commands)
    assert await pair.second.stop() == 0


async def test_a_bot_that_stands_by_can_be_stopped(pair: Pair):
    await pair.stand_by()
    assert await pair.second.stop() == 0
    await pair.check([await pair.room.person.types(pair.room.id, "!ping")])


async def test_a_database_that_restarts_costs_nothing(pair: Pair):
    """The bot starts again in place: what was under way goes on, and is answered once."""
    room, person = pair.room, pair.room.person
    commands = [await person.types(room.id, DEPLOY)]
    await reached(pair.first, "start")
    commands += [await person.types(room.id, "!ping") for _ in range(4)]
    pair.cluster.stop()
    commands += [await person.types(room.id, "!ping") for _ in range(4)]
    await logged(pair.first, "state lost")
    await logged(pair.first, "waiting")
    pair.cluster.start()
    await pair.check(commands)
    pair.cluster.stop("immediate")
    commands += [await person.types(room.id, "!ping") for _ in range(4)]
    pair.cluster.start()
    await pair.check(commands)
