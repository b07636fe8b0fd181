"""What ended long ago is forgotten, with all that was said of it; what is of use stays."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from domain.operations import State
from fleet.pruning import AT_ONCE, EVERY, Pruning
from fleet.store.batches import KeptEntry
from fleet.store.files import File
from fleet.store.messages import key_of
from fleet.store.sealed import SealedEvent
from fleet.store.turns import KeptTurn

from .world import ROOM, filed, spec, until

KEEP = timedelta(days=90)
LONG = timedelta(days=91).total_seconds()
SAID = {"body": "done"}


@pytest.fixture
def pruning(world):
    return Pruning(world.store, world.clock, KEEP)


async def ended(world, text, **more):
    """An operation that ended now, told in a message of its own."""
    operation = replace(filed(text, world.clock.now()), **more)
    async with world.store.transaction() as tx:
        await tx.operations.file([operation])
        await tx.operations.ended(operation.id, State.SUCCEEDED, "", world.clock.now())
        await tx.messages.want(key_of(operation.id), ROOM, SAID)
        await tx.messages.said(key_of(operation.id), f"$about-{operation.id}", SAID)
    return operation


async def turn(world, operation, root):
    """What was said in it, now."""
    async with world.store.transaction() as tx:
        said = KeptTurn(operation.id, root, "tiny", "user", "hi", world.clock.now())
        await tx.turns.keep([said])


async def left(world, *operations):
    """Those of them that are still known."""
    async with world.store.transaction() as tx:
        return [each for each in operations if await tx.operations.get(each.id)]


async def test_what_ended_longer_ago_than_it_is_kept_is_forgotten(world, pruning):
    old = await ended(world, "old")
    world.clock.seconds += LONG
    young = await ended(world, "young")
    assert await pruning.prune() == 1
    assert await left(world, old, young) == [young]
    assert await pruning.prune() == 0


async def test_it_is_kept_for_as_long_as_was_asked(world, pruning):
    old = await ended(world, "old")
    world.clock.seconds += KEEP.total_seconds()
    assert await pruning.prune() == 0
    world.clock.seconds += 1
    assert await pruning.prune() == 1
    assert await left(world, old) == []


async def test_all_that_was_said_of_it_goes_with_it(world, pruning):
    old = await ended(world, "old")
    await turn(world, old, old.origin)
    keys = [key_of(old.id) + rest for rest in (":end", ":file", ":call:end")]
    async with world.store.transaction() as tx:
        await tx.batches.keep([KeptEntry(old.id, 1, "f", "{}", None)])
        for number, key in enumerate(keys):
            await tx.messages.want(key, ROOM, SAID)
            await tx.messages.said(key, f"${number}", SAID)
            await tx.files.keep(key, File("log.txt", "long"))
    world.clock.seconds += LONG
    assert await pruning.prune() == 1
    async with world.store.transaction() as tx:
        for key in [key_of(old.id), *keys]:
            assert await tx.messages.get(key) is None
            assert await tx.files.get(key) is None
        assert await tx.turns.of(old.origin, old.id) == []
        assert await tx.batches.known(old.id) == []


async def test_another_whose_id_begins_with_the_same_letters_keeps_its_own(world, pruning):
    """Ids grow by a letter when two origins share one."""
    old = await ended(world, "old")
    others = [await ended(world, text, id=old.id + text) for text in ("2", "z")]
    notices = ["welcome:!ops", "operation:", f"operation:{old.id[:-1]}"]
    world.clock.seconds += LONG
    async with world.store.transaction() as tx:
        for other in others:
            await tx.operations.ended(other.id, State.SUCCEEDED, "", world.clock.now())
            await tx.files.keep(f"{key_of(other.id)}:file", File("log.txt", "long"))
        for key in notices:
            await tx.messages.want(key, ROOM, SAID)
    assert await pruning.prune() == 1
    async with world.store.transaction() as tx:
        for other in others:
            assert await tx.messages.get(key_of(other.id)) is not None
            assert await tx.files.get(f"{key_of(other.id)}:file") is not None
        for key in notices:
            assert await tx.messages.get(key) is not None


async def test_what_has_not_ended_stays(world, pruning):
    waiting = filed("waiting", world.clock.now())
    async with world.store.transaction() as tx:
        await tx.operations.file([waiting])
    running = await world.operation("running")
    world.clock.seconds += LONG
    assert await pruning.prune() == 0
    assert await left(world, waiting, running) == [waiting, running]


async def test_what_a_service_or_a_revision_came_from_stays(world, pruning):
    """What brought a service to where it is can be asked for as long as it is there."""
    texts = ["deploy", "again", "scale", "other", "remove"]
    await world.change(spec("tiny://ops"), "deploy")
    await world.change(spec("tiny://other"), "again")
    await world.change(spec("tiny://other").scaled(2), "scale")
    await world.change(spec(name="other"), "other")
    await world.change(spec(name="other").scaled(0), "remove", remove=True)
    changes = [filed(text, world.clock.now()) for text in texts]
    async with world.store.transaction() as tx:
        for each in changes:
            await tx.operations.ended(each.id, State.SUCCEEDED, "", world.clock.now())
    world.clock.seconds += LONG
    await pruning.prune()
    assert [each.text for each in await left(world, *changes)] == texts[:-1]


async def test_an_end_that_the_room_was_not_told_stays_until_it_is(world, pruning):
    old = await ended(world, "old")
    key = f"{key_of(old.id)}:call"
    async with world.store.transaction() as tx:
        await tx.messages.want(key, ROOM, SAID)
    world.clock.seconds += LONG
    assert await pruning.prune() == 0
    async with world.store.transaction() as tx:
        await tx.messages.said(key, "$call", SAID)
    assert await pruning.prune() == 1


@pytest.mark.parametrize("root", ["its command", "its answer"])
async def test_what_a_conversation_hangs_on_stays_while_it_goes_on(world, pruning, root):
    opened = await ended(world, "opened")
    thread = opened.origin if root == "its command" else f"$about-{opened.id}"
    await turn(world, opened, opened.origin)
    world.clock.seconds += LONG
    latest = await ended(world, "latest")
    await turn(world, latest, thread)
    assert await pruning.prune() == 0
    world.clock.seconds += LONG
    assert await pruning.prune() == 2


async def test_an_event_from_the_future_stays_until_it_would_have_expired(world, pruning):
    """When an event was said is for its homeserver to say, and may be wrong."""
    ahead = await ended(world, "ahead", said_at=world.clock.now() + KEEP)
    world.clock.seconds += LONG
    assert await pruning.prune() == 0
    world.clock.seconds += LONG
    assert await pruning.prune() == 1
    assert await left(world, ahead) == []


async def test_events_whose_key_never_came_are_forgotten_too(world, pruning):
    at = world.clock.now()
    async with world.store.transaction() as tx:
        await tx.sealed.keep([SealedEvent("$old", ROOM, {}, at)])
    world.clock.seconds += LONG
    young = SealedEvent("$young", ROOM, {}, world.clock.now())
    async with world.store.transaction() as tx:
        await tx.sealed.keep([young])
    await pruning.prune()
    async with world.store.transaction() as tx:
        assert await tx.sealed.all() == [young]


async def test_much_is_forgotten_a_little_at_a_time(world, pruning):
    old = [await ended(world, f"old {number}") for number in range(2 * AT_ONCE + 1)]
    world.clock.seconds += LONG
    world.clock.flows = False
    task = asyncio.create_task(pruning.prune())
    await until(lambda: world.clock.waiting)
    assert await left(world, *old) == old[AT_ONCE:]
    world.clock.flow()
    assert await task == len(old)
    assert await left(world, *old) == []


async def test_it_happens_at_the_start_and_once_a_day(world, pruning):
    world.clock.flows = False
    old = await ended(world, "old")
    world.clock.seconds += LONG
    task = asyncio.create_task(pruning.run(), name="pruning")
    try:
        await until(lambda: world.clock.waiting)
        assert await left(world, old) == []
        new = await ended(world, "new")
        world.clock.passes(EVERY)
        await until(lambda: world.clock.slept == 2)  # it has looked again, and waits for the next
        assert await left(world, new) == [new]
        world.clock.passes(LONG)
        async with asyncio.timeout(10):
            while await left(world, new):
                await asyncio.sleep(0.001)
    finally:
        task.cancel()
        await asyncio.wait([task])
