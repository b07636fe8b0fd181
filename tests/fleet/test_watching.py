"""Hearing what happens to replicas by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta

import pytest

from bot.incidents import line
from domain.errors import Unreachable
from domain.incidents import HOURLY, Incident, Kind
from domain.operations import State
from domain.replicas import ReplicaId
from fleet.claims import Claim, Scope
from fleet.watching import Watch

from .world import ROOM, filed, spec, until


def incident(world, number=0, kind=Kind.ENDED, after=100, service="tiny", **more) -> Incident:
    at = world.clock.now() + timedelta(seconds=after)
    replica = ReplicaId(service, "3fa9c1", 0)
    fields = {"text": "ended (exit code 3)", "failure": "crashed", "upto": at} | more
    return Incident(f"c0ffee-{number}", kind, replica, "a", at, **fields)


class Teller:
    """A target that tells what a test says, and breaks when it says so."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[Incident | Exception | None] = asyncio.Queue()
        self.since = []

    async def incidents(self, since) -> AsyncIterator[Incident]:
        self.since.append(since)
        while (each := await self.said.get()) is not None:
            if isinstance(each, Exception):
                raise each
            yield each


@pytest.fixture
async def teller(world):
    await world.change(spec())
    return Teller()


@pytest.fixture
async def watch(world, teller):
    """A function that starts the watch, as at each start of the bot."""
    tasks = []

    def start(held: tuple[Claim, ...] = ()) -> Watch:
        def words(*told):
            return line(*told, "!")

        watch = Watch(
            world.store, {"a": teller, "b": 1}, lambda: held, words, world.said.append, world.clock
        )
        tasks.append(asyncio.create_task(watch.run()))
        return watch

    world.said = []
    yield start
    for task in tasks:
        task.cancel()
    with suppress(asyncio.CancelledError):
        await asyncio.gather(*tasks)


async def upto(world):
    async with world.store.transaction() as tx:
        return await tx.incidents.upto("a", world.clock.now())


async def test_an_incident_is_told_in_the_room_where_the_service_was_last_changed(
    world, teller, watch
):
    watch()
    teller.said.put_nowait(told := incident(world))
    await until(lambda: world.said)
    (message,) = world.said
    assert (message.room, message.key) == (ROOM, "incident:a:c0ffee-0")
    assert message.wanted["body"] == "· tiny-3fa9c1-0 on a ended (exit code 3) [crashed]"
    assert message.wanted["msgtype"] == "m.notice"
    assert await upto(world) == told.at
    async with world.store.transaction() as tx:
        assert await tx.incidents.latest("tiny") == (told.at, str(told))


async def test_a_bot_that_starts_again_listens_from_where_it_had_told_and_repeats_nothing(
    world, teller, watch
):
    watch()
    first, second = incident(world), incident(world, 1, after=200)
    teller.said.put_nowait(first)
    await until(lambda: world.said)
    teller.said.put_nowait(None)
    watch()
    await until(lambda: len(teller.since) == 2)
    assert teller.since[1] == first.at
    for each in (first, second):
        teller.said.put_nowait(each)
    await until(lambda: len(world.said) == 2)
    assert [each.key for each in world.said] == ["incident:a:c0ffee-0", "incident:a:c0ffee-1"]


async def test_a_target_that_cannot_be_listened_to_is_listened_to_again_later(world, teller, watch):
    world.clock.flows = False
    watch()
    teller.said.put_nowait(Unreachable("a does not answer"))
    await until(lambda: world.clock.waiting)
    assert len(teller.since) == 1
    teller.said.put_nowait(Unreachable("a does not answer"))
    world.clock.passes(2)
    await until(lambda: len(teller.since) == 2 and world.clock.waiting)
    world.clock.passes(3)
    await asyncio.sleep(0)
    assert len(teller.since) == 2  # the second wait is longer
    world.clock.passes(1)
    teller.said.put_nowait(incident(world))
    await until(lambda: world.said)


async def test_what_an_operation_of_ours_does_is_no_incident(world, teller, watch):
    now = world.clock.now()
    watch((Claim(Scope.SERVICE, "tiny", filed("!stop tiny", now), now),))
    teller.said.put_nowait(incident(world))
    teller.said.put_nowait(lost := incident(world, 1, Kind.GPU_LOST))
    await until(lambda: world.said)
    assert [each.key for each in world.said] == [f"incident:a:{lost.id}"]


async def test_what_an_operation_did_that_ended_while_nobody_listened_is_none_either(
    world, teller, watch
):
    operation = filed("!restart tiny", world.clock.now())
    async with world.store.transaction() as tx:
        await tx.operations.file([operation])
        await tx.operations.started(operation.id, "tiny", world.clock.now())
        at = world.clock.now() + timedelta(seconds=60)
        await tx.operations.ended(operation.id, State.SUCCEEDED, "done", at)
    watch()
    teller.said.put_nowait(incident(world, 0, after=30))
    teller.said.put_nowait(incident(world, 1, after=61))
    await until(lambda: world.said)
    assert [each.key for each in world.said] == ["incident:a:c0ffee-1"]


async def test_a_service_that_nobody_wants_any_more_tells_nobody(world, teller, watch):
    watch()
    teller.said.put_nowait(other := incident(world, service="other"))
    async with asyncio.timeout(5):
        while await upto(world) != other.at:
            await asyncio.sleep(0.001)
    assert world.said == []


async def test_a_service_that_flaps_does_not_fill_its_room(world, teller, watch):
    watch()
    for number in range(HOURLY + 5):
        teller.said.put_nowait(incident(world, number, after=number))
    last = incident(world, 99, after=99)
    teller.said.put_nowait(last)
    async with asyncio.timeout(5):
        while await upto(world) != last.at:
            await asyncio.sleep(0.001)
    assert len(world.said) == HOURLY
    assert (
        "no more is told of tiny for a while; see `!status tiny`" in (world.said[-1].wanted["body"])
    )
    async with world.store.transaction() as tx:
        assert (await tx.incidents.latest("tiny"))[0] == last.at
    world.clock.seconds += 3601
    teller.said.put_nowait(incident(world, 100))
    await until(lambda: len(world.said) == HOURLY + 1)


async def test_what_needs_a_person_notifies_and_says_what_to_try(world, teller, watch):
    watch()
    starved = incident(
        world,
        kind=Kind.OUT_OF_MEMORY,
        advice="see `!logs`",
        evidence=("first", "x" * 1000),
        after=-600,
    )
    teller.said.put_nowait(starved)
    await until(lambda: world.said)
    content = world.said[0].wanted
    assert (content["msgtype"], content["m.mentions"]) == ("m.text", {})
    assert content["body"].startswith("⚠ 31 Dec 23:50 UTC: tiny-3fa9c1-0 on a ended")
    assert f"it wrote: {'x' * 300}… · see `!logs`" in content["body"]
    assert "\n" not in content["body"]
