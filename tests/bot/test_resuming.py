"""Operations of a process that was killed or stopped, and the next one that finds them."""

import asyncio
from dataclasses import replace
from unittest.mock import AsyncMock

from bot.matrix.session import Reading
from domain.operations import State, operation_id
from tests.fleet.world import until

from .homeserver import ANN


async def test_killed_after_filing_it_runs_at_the_next_start(desk, world, homeserver):
    desk.intake._around = replace(desk.intake._around, work=AsyncMock())
    await desk.hears("!deploy tiny tiny://ops")
    name = await desk.hears("!ping")
    assert homeserver.shown() == []
    await desk.restart()
    await desk.ends(name)
    await desk.ends(operation_id("$1"))
    assert len(await world.running()) == 1
    assert sorted(told[:6] for told in homeserver.shown()) == ["pong", "✓ tiny"]


async def test_killed_while_it_ran_the_same_message_is_edited_to_its_end(desk, world, homeserver):
    world.clock.flows = False
    name = await desk.hears("!deploy tiny tiny://ops")
    await until(lambda: world.clock.waiting >= 2)
    world.clock.passes(0.5)
    await until(lambda: homeserver.shown())
    assert homeserver.shown()[0].startswith("⏳ deploy tiny tiny://ops · ")
    assert len((await world.seen()).alive) == 1
    before = (await world.seen()).alive[0]
    await desk.restart()
    world.clock.flow()
    assert (await desk.ends(name)).state is State.SUCCEEDED
    assert [str(before.id)] == await world.running()
    (told,) = homeserver.shown()
    assert told.startswith("✓ tiny is live")


async def test_killed_before_its_last_words_they_are_said_at_the_next_start(desk, homeserver):
    homeserver.open.clear()
    name = await desk.hears("!ping")
    async with asyncio.timeout(10):
        while not (await desk.operation(name)).state.ended:
            await asyncio.sleep(0.002)
    await desk.crash()
    homeserver.open.set()
    desk.open()
    await desk.worker.resume()
    await desk.ends(name)
    assert homeserver.shown() == ["pong"]


async def test_an_operation_that_ended_is_not_run_again(desk, homeserver):
    await desk.says("!deploy tiny tiny://ops")
    told = homeserver.shown()
    await desk.restart()
    await desk.intake.file(Reading("s9"))
    assert await desk.says("!ping") == "pong"
    assert homeserver.shown() == [*told, "pong"]


async def test_a_change_that_began_does_not_expire_over_a_restart(desk, world):
    world.clock.flows = False
    name = await desk.hears("!deploy tiny tiny://ops")
    await until(lambda: world.clock.waiting >= 2)
    world.clock.seconds += 3600
    await desk.restart()
    world.clock.flow()
    assert (await desk.ends(name)).state is State.SUCCEEDED


async def test_a_cancellation_outlives_a_crash(desk, world):
    world.clock.flows = False
    name = await desk.hears("!deploy tiny tiny://ops")
    await until(lambda: world.clock.waiting >= 2)
    await desk.crash()
    async with world.store.transaction() as tx:
        await tx.operations.cancel(name, ANN)
    desk.open()
    await desk.worker.resume()
    world.clock.flow()
    assert (await desk.ends(name)).state is State.CANCELLED
    assert (await world.seen()).alive == ()


async def test_stopping_lets_talk_finish_and_leaves_changes_to_the_next_run(desk, world):
    world.clock.flows = False
    change = await desk.hears("!deploy tiny tiny://ops")
    await until(lambda: world.clock.waiting >= 2)
    talk = await desk.hears("!ping")
    await desk.worker.aclose(5)
    assert (await desk.operation(talk)).state is State.SUCCEEDED
    assert (await desk.operation(change)).state is State.RUNNING
    assert len((await world.seen()).alive) == 1
