"""`!logs`: filtering and following, as a room sees it."""

import asyncio
from datetime import timedelta

import pytest

from domain.errors import Unreachable
from domain.operations import State
from domain.replicas import Phase
from tests.fleet.test_following import Scribe
from tests.fleet.world import spec, until

from .homeserver import ROOM


@pytest.fixture
async def tiny(desk, world):
    """Two replicas that have written."""
    await world.change(spec(a=2))


def lines(text):
    return [line for line in text.splitlines() if not line.startswith("`")]


async def test_grep_looks_through_the_whole_log_and_not_at_case(desk, tiny):
    text = await desk.says("!logs tiny --tail 1 --grep PULLING")
    assert lines(text) == 2 * ["pulling the image: 120 of 120 MB"]
    nothing = await desk.says("!logs tiny --grep 'no such words'")
    assert nothing == "tiny has no line with that in its last 1000."


async def test_what_is_masked_cannot_be_guessed_by_grep(desk, world):
    token = "ghp_" + "a1B2" * 9
    world.deployers["a"] = scribe = Scribe("a", world.clock)
    scribe.write(f"with {token}")
    desk.open()
    object.__setattr__(desk.deps, "masked", desk.discretion.masked)
    assert "•••" in await desk.says("!logs tiny --grep with")
    assert "has no line" in await desk.says("!logs tiny --grep a1B2a1")


async def test_a_target_that_is_down_is_told_beside_the_lines_of_the_others(
    desk, world, monkeypatch
):
    await world.change(spec(a=1, b=1))

    async def away(service):
        raise Unreachable("b: connection refused")

    monkeypatch.setattr(world.deployers["b"], "observe", away)
    text = await desk.says("!logs tiny --tail 1")
    assert lines(text) == ["first token after 0.02 s", "b: connection refused"]


async def test_what_is_followed_ends_when_its_time_is_over(desk, world, tiny):
    world.clock.flows = False
    operation = await desk.hears("!logs tiny --tail 2 --follow 30s")
    async with asyncio.timeout(20):
        while not any(each.count(" | ") == 4 for each in desk.homeserver.shown(ROOM)):
            world.clock.passes(0.05)
            await asyncio.sleep(0.002)
    world.clock.flow()
    await desk.ends(operation)
    *told, last = desk.homeserver.shown(ROOM)[-1].splitlines()
    assert len(told) == 4
    assert all(line.startswith(f"tiny-{spec().revision}-") and " | " in line for line in told)
    assert last.startswith("Followed tiny for ")
    assert last.endswith(": 4 lines.")


async def test_new_lines_come_into_the_one_message_and_stay_when_it_is_cancelled(desk, world):
    world.deployers["a"] = scribe = Scribe("a", world.clock)
    scribe.write("one")
    desk.open()
    world.clock.flows = False
    operation = await desk.hears("!logs tiny --follow 2m")
    shown = desk.homeserver.shown

    async def until_shown(text):
        async with asyncio.timeout(10):
            while not any(text in each for each in shown(ROOM)):
                world.clock.passes(3)
                await asyncio.sleep(0.002)

    await until_shown("one")
    (message,) = shown(ROOM)
    assert message.startswith("⏳ logs tiny --follow 2m · ")
    assert f"`!cancel {operation}`" in message
    scribe.write("CUDA out of memory")
    await until_shown("CUDA out of memory")
    await desk.hears(f"!cancel {operation}")
    ending = asyncio.create_task(desk.ends(operation))
    async with asyncio.timeout(20):
        while not ending.done():
            world.clock.passes(0.05)
            await asyncio.sleep(0.002)
    assert ending.result().state is State.CANCELLED
    world.clock.flow()
    first = shown(ROOM)[0]
    assert first.startswith("✗ logs: cancelled by @ann:example.org")
    assert first.endswith("one\nCUDA out of memory")
    await until(lambda: not scribe.streams)


async def test_a_replica_that_ends_ends_it_with_how(desk, world):
    world.deployers["a"] = scribe = Scribe("a", world.clock)
    scribe.write("CUDA out of memory")
    scribe.end(Phase.FAILED, "out of memory")
    desk.open()
    text = await desk.says("!logs tiny --follow 10m --grep zzz")
    assert text.splitlines()[0].endswith("-0 failed: out of memory")
    assert "0 of 1 lines with that in them" in text


async def test_after_a_restart_it_goes_on_for_the_rest_of_its_time(desk, world, tiny):
    world.clock.flows = False
    operation = await desk.hears("!logs tiny --follow 2m")
    await until(lambda: world.clock.waiting)
    await desk.crash()
    world.clock.seconds += 100
    desk.open()
    world.clock.flow()
    begun = world.clock.seconds
    await desk.worker.resume()
    assert (await desk.ends(operation)).state is State.SUCCEEDED
    assert 20 <= world.clock.seconds - begun < 100


async def test_and_tells_the_last_lines_when_that_is_over(desk, world, tiny):
    world.clock.flows = False
    operation = await desk.hears("!logs tiny --follow 2m --tail 1")
    await until(lambda: world.clock.waiting)
    await desk.crash()
    world.clock.seconds += timedelta(minutes=5).total_seconds()
    world.clock.flow()
    desk.open()
    await desk.worker.resume()
    await desk.ends(operation)
    text = desk.homeserver.shown(ROOM)[-1]
    assert "first token" in text
    assert "was over before the bot came back" in text


async def test_an_unknown_name_is_told_as_such(desk, tiny):
    assert "did you mean `tiny`?" in (await desk.says("!logs tinny --follow 1m")).lower()


async def test_of_silence_that_is_said(desk, world):
    world.deployers["a"] = Scribe("a", world.clock)
    desk.open()
    text = await desk.says("!logs tiny --follow 1m")
    assert text.startswith("Followed tiny for ")
    assert text.endswith(": 0 lines.")
