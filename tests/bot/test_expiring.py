"""Services that were only meant for the afternoon."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest

from bot.keeping import question
from bot.matrix.gestures import Reaction
from bot.matrix.session import Reading
from domain.operations import EXPIRING, State, operation_id
from fleet.expiring import Expiring
from tests.fleet.world import until

from .homeserver import ANN, ROOM
from .test_locks import hand_over
from .test_worker import BOB, EVE

HOUR = 3600


@pytest.fixture
async def tiny(desk, world):
    told = await desk.says("!deploy tiny tiny://ops --ttl 8h")
    assert "It stays until 08:00 UTC, in 8 h, and is asked about before" in told
    world.clock.flows = False
    world.clock.seconds = 0  # as if deploying had taken no time
    async with world.store.transaction() as tx:
        expiry = await tx.expiries.get("tiny")
        await tx.expiries.put(replace(expiry, at=world.clock.now() + timedelta(hours=8)))


async def look(desk, hours=None):
    """The loop's next look, at so many hours; then everything is done that came of it."""
    world = desk.world
    if hours is not None:
        world.clock.seconds = hours * HOUR
    words, say = partial(question, prefix="!"), partial(desk.outbox.deliver, final=True)
    await Expiring(world.store, words, say, desk.intake.file_own, world.clock).look()
    world.clock.flow()
    async with asyncio.timeout(10):
        while await going_on(world):
            await asyncio.sleep(0.002)
    world.clock.flows = False
    if hours is not None:
        world.clock.seconds = hours * HOUR


async def going_on(world):
    async with world.store.transaction() as tx:
        return await tx.operations.unended() or await tx.messages.unsaid()


async def operations(world):
    async with world.store.transaction() as tx:
        return [each for each in await tx.operations.recent(20) if each.sender == EXPIRING]


async def says(desk, body, **more):
    """Said at a moment: what it takes, the clock does not count."""
    seconds = desk.world.clock.seconds
    desk.world.clock.flow()
    told = await desk.says(body, **more)
    desk.world.clock.flows, desk.world.clock.seconds = False, seconds
    return told


async def thumb(desk, homeserver, key="👍", sender=ANN, event="$t1"):
    """React to the question."""
    to = next(each for each, _, said in homeserver.events.values() if "👍" in said["body"])
    reaction = Reaction(event, ROOM, sender, to, key, desk.world.clock.now())
    await desk.intake.file(Reading("s9", reactions=(reaction,)))
    return operation_id(event)


async def test_it_is_asked_about_once_and_removed_once(desk, world, homeserver, tiny):
    await look(desk, 7.4)
    assert len(homeserver.shown()) == 1
    for hours in (7.5, 7.6, 7.9):
        await look(desk, hours)
    asked = [each for each in homeserver.events.values() if "👍" in each[2]["body"]]
    ((_, room, content),) = asked
    assert room == ROOM
    assert content["body"] == (
        f"{ANN}: tiny was deployed for 8 h; it is removed at 08:00 UTC unless somebody says "
        "`!keep tiny` (react 👍 for another 8 h)"
    )
    assert (content["msgtype"], content["m.mentions"]) == ("m.text", {"user_ids": [ANN]})
    assert len(await world.running()) == 1
    await look(desk, 8)
    await look(desk, 8.1)
    assert (await world.seen()).replicas == ()
    assert await world.wanted() is None
    (operation,) = await operations(world)
    assert (operation.text, operation.state) == ("expire tiny", State.SUCCEEDED)
    told = homeserver.shown()[-1]
    assert told.startswith("✓ tiny is removed, logs included: nobody said that it is to stay.")
    async with world.store.transaction() as tx:
        assert await tx.expiries.all() == []


async def test_a_thumb_keeps_it_for_as_long_again_and_the_question_says_so(
    desk, world, homeserver, tiny
):
    await look(desk, 7.5)
    thumbs = [await thumb(desk, homeserver, "👍🏽"), await thumb(desk, homeserver, event="$t2")]
    assert await desk.operation(await thumb(desk, homeserver, "👎", event="$t3")) is None
    await look(desk, 7.6)
    kept = await desk.operation(thumbs[0])
    assert (kept.state, kept.text, kept.quiet) == (State.SUCCEEDED, "keep tiny", True)
    assert homeserver.shown()[1:] == [
        "tiny was deployed for 8 h; it is kept until 15:30 UTC, in 7 h 54 min"
    ]
    assert await desk.operation(await thumb(desk, homeserver, event="$late")) is None
    await look(desk, 8.1)
    assert await operations(world) == []
    assert "It stays until 15:30 UTC, in 7 h 24 min." in await says(desk, "!status tiny")
    await look(desk, 15.01)
    assert len([body for body in homeserver.shown() if "it is removed at 15:30" in body]) == 1


async def test_who_may_not_keep_it_is_told_so(desk, world, homeserver, tiny):
    await look(desk, 7.5)
    for sender in (BOB, EVE):
        await thumb(desk, homeserver, sender=sender, event=f"${sender}")
    await look(desk, 8)
    assert [body for body in homeserver.shown() if "takes the role operator" in body]
    assert await world.wanted() is None


@pytest.mark.parametrize(
    ("command", "told", "status"),
    [
        ("!keep tiny", "✓ tiny stays until 15:36 UTC, in 8 h", "It stays until 15:36 UTC"),
        ("!keep tiny 2h", "✓ tiny stays until 09:36 UTC, in 2 h", "It stays until 09:36 UTC"),
        ("!keep tiny 1m", "✓ tiny stays until 08:00 UTC, in 24 min", "It stays until 08:00 UTC"),
        ("!keep tiny --forever", "✓ tiny stays for good", ""),
        ("!deploy tiny --ttl none", "It stays for good.", ""),
        ("!deploy tiny --ttl 1d", "It stays until 02 Jan 07:36 UTC, in 1 d", "It stays until 02"),
        ("!deploy tiny --ctx 512", "It stays until 08:00 UTC, in 24 min", "It stays until 08:00"),
    ],
)
async def test_saying_so_puts_the_end_off(desk, homeserver, tiny, command, told, status):
    await look(desk, 7.6)
    assert told in await says(desk, command)
    shown = await says(desk, "!status tiny")
    assert status in shown
    assert ("It stays" in shown) == bool(status)


async def test_a_question_that_was_answered_for_good_says_that(desk, world, homeserver, tiny):
    await look(desk, 7.6)
    await says(desk, "!keep tiny --forever")
    await look(desk, 99)
    assert "tiny was deployed for 8 h; it is kept for good now" in homeserver.shown()
    assert len(await world.running()) == 1
    assert "tiny has no end, so it stays" in await says(desk, "!keep tiny")


async def test_a_bot_that_was_down_past_the_end_asks_first(desk, world, homeserver, tiny):
    await desk.restart()
    await look(desk, 20)
    assert len(await world.running()) == 1
    assert "it is removed at 20:30 UTC" in homeserver.shown()[-1]
    await look(desk, 20.4)
    assert len(await world.running()) == 1
    await look(desk, 20.5)
    assert await world.wanted() is None


async def test_a_restart_asks_nothing_twice(desk, homeserver, tiny):
    await look(desk, 7.5)
    await desk.restart()
    await look(desk, 7.6)
    assert len(homeserver.shown()) == 2


async def test_a_bot_killed_while_it_removes_removes_it_once(desk, world, homeserver, tiny):
    await look(desk, 7.5)
    world.clock.seconds = 8 * HOUR
    endpoint = world.endpoints.of("tiny")[0]
    words, say = partial(question, prefix="!"), partial(desk.outbox.deliver, final=True)
    with world.endpoints.lease(endpoint.replica, target="a"):  # it is drained for a while
        looking = Expiring(world.store, words, say, desk.intake.file_own, world.clock).look()
        await looking
        await until(lambda: world.fleet.survey.claims)
        assert "tiny is being removed" in await desk.says("!keep tiny")
        await desk.restart()
    await look(desk, 8)
    await look(desk, 8.1)
    assert await world.wanted() is None
    (operation,) = await operations(world)
    assert operation.state is State.SUCCEEDED


async def test_an_end_told_after_a_kill_is_the_true_one(desk, world, tiny):
    """Killed between the last step and the end of the operation."""
    await look(desk, 7.5)
    await look(desk, 8)
    told = await says(desk, "!expire tiny")
    assert told.startswith("✓ tiny is removed")


async def test_what_is_locked_is_not_removed_but_asked_about_again(desk, world, homeserver, tiny):
    await says(desk, "!lock tiny --reason demo")
    await hand_over(world)
    await look(desk, 7.5)
    await look(desk, 8)
    assert len(await world.running()) == 1
    told = homeserver.shown()[-1]
    assert "tiny is locked by" in told
    assert "It is asked about again at 08:30 UTC." in told
    await look(desk, 8.5)
    assert "it is removed at 09:00 UTC" in homeserver.shown()[-1]
    await says(desk, "!unlock tiny")
    await look(desk, 9)
    assert await world.wanted() is None


async def test_what_is_being_changed_is_left_alone_until_that_has_ended(desk, world, tiny):
    await look(desk, 7.5)
    world.clock.seconds = 8 * HOUR
    name = await desk.hears("!restart tiny")
    await until(lambda: world.fleet.survey.claims)
    words, say = partial(question, prefix="!"), partial(desk.outbox.deliver, final=True)
    await Expiring(world.store, words, say, desk.intake.file_own, world.clock).look()
    assert await operations(world) == []
    world.clock.flow()
    assert (await desk.ends(name)).state is State.SUCCEEDED
    await look(desk, 8.1)
    assert await world.wanted() is None


async def test_what_a_person_removed_is_forgotten(desk, world, homeserver, tiny):
    await says(desk, "!remove tiny")
    await says(desk, "!deploy tiny tiny://ops")
    count = len(homeserver.shown())
    await look(desk, 99)
    assert len(homeserver.shown()) == count
    assert len(await world.running()) == 1


async def test_a_failed_deploy_gives_no_end(desk, world, tiny):
    await says(desk, "!deploy tiny tiny://never-ready --ttl 1m")
    assert "It stays until 08:00 UTC" in await says(desk, "!status tiny")


async def test_a_plan_says_what_it_would_do_and_does_not(desk, tiny):
    told = await says(desk, "!deploy tiny --ttl 1h --plan", sender=BOB)
    assert "It would be removed after 1 h, after asking" in told
    assert "It stays until 08:00 UTC" in await says(desk, "!status tiny")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("!keep", "`keep` needs a NAME"),
        ("!keep other", "there is no service `other`"),
        ("!keep tiny 2h more", "got unexpected extra argument"),
        ("!keep tiny ever", "is no time; write `30m`"),
        ("!keep tiny 2h --forever", "contradict each other"),
        ("!deploy tiny --ttl 0h", "is no time; write `30m`"),
        ("!deploy tiny --ttl None", "is no time; write `30m`"),
        ("!expire tiny", "✓ tiny stays: its time is not over"),
    ],
)
async def test_what_makes_no_sense_is_said_to(desk, world, tiny, command, told):
    assert told in await says(desk, command)
    assert "It stays until 08:00 UTC" in await says(desk, "!status tiny")


async def test_keeping_takes_an_operator(desk, tiny):
    assert "takes the role operator" in await says(desk, "!keep tiny", sender=BOB)
