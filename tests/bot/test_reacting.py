"""Crossing out an operation's message, and taking messages away."""

import asyncio
from dataclasses import replace
from unittest.mock import AsyncMock

from bot.matrix.content import OPERATION
from bot.matrix.gestures import Reaction, Redaction
from bot.matrix.live_reply import PATIENCE
from bot.matrix.session import Reading
from domain.operations import State, operation_id
from tests.fleet.world import until

from .homeserver import ANN, OTHER, ROOM

BOB, EVE = "@bob:example.org", "@eve:evil.org"


async def react(desk, to, key="❌", sender=ANN, event="$r1", room=ROOM):
    reaction = Reaction(event, room, sender, to, key, desk.world.clock.now())
    await desk.intake.file(Reading("s9", reactions=(reaction,)))
    return operation_id(event)


async def redact(desk, event, room=ROOM):
    await desk.intake.file(Reading("s9", redactions=(Redaction(room, event),)))


async def slow(desk, world, homeserver):
    """A deploy in the middle of its way, whose message is in the room: (operation, event)."""
    world.clock.flows = False
    name = await desk.hears("!deploy tiny tiny://ops")
    await until(lambda: world.clock.waiting >= 2)
    world.clock.passes(PATIENCE)
    await until(lambda: homeserver.events)
    event = next(iter(homeserver.events.values()))[0]
    async with asyncio.timeout(10):
        while not await kept(world, event):
            await asyncio.sleep(0.001)
    return name, event


async def decided(desk, name):
    """An operation once it has ended, whatever others still have to say."""
    async with asyncio.timeout(10):
        while not (operation := await desk.operation(name)).state.ended:
            await asyncio.sleep(0.001)
    return operation


async def kept(world, event):
    async with world.store.transaction() as tx:
        return await tx.messages.by_event(ROOM, event)


async def test_crossing_out_its_message_cancels_an_operation_without_another_word(
    desk, world, homeserver
):
    name, event = await slow(desk, world, homeserver)
    cancel = await react(desk, event, "✖\ufe0f")
    assert (await decided(desk, cancel)).state is State.SUCCEEDED
    world.clock.flow()
    assert (await desk.ends(name)).state is State.CANCELLED
    (told,) = homeserver.shown()
    assert f"cancelled by {ANN}" in told
    assert (await world.seen()).alive == ()


async def test_who_may_not_is_told_so_in_a_line(desk, world, homeserver):
    name, event = await slow(desk, world, homeserver)
    refused = [await react(desk, event, sender=who, event=f"${who}") for who in (BOB, EVE)]
    for each in refused:
        assert (await decided(desk, each)).state is State.FAILED
    await until(lambda: len(homeserver.shown()) == 3)
    assert not (await desk.operation(name)).state.ended
    bobs, eves = sorted(homeserver.shown()[1:])
    assert bobs.startswith(f"{BOB}: ✗ cancel {name}: `{name}` is {ANN}'s")
    assert "takes the role viewer" in eves
    assert "\n" not in bobs + eves
    last = list(homeserver.events.values())[-1][2]
    assert (last["msgtype"], last["m.mentions"]) == ("m.notice", {})
    assert "m.relates_to" not in last
    world.clock.flow()
    assert (await desk.ends(name)).state is State.SUCCEEDED


async def test_other_emojis_other_messages_and_what_has_ended_mean_nothing(desk, world, homeserver):
    name, event = await slow(desk, world, homeserver)
    for number, (key, to, room) in enumerate(
        [("👍", event, ROOM), ("❌", "$nobody", ROOM), ("❌", event, OTHER)]
    ):
        other = await react(desk, to, key, event=f"$n{number}", room=room)
        assert await desk.operation(other) is None
    world.clock.flow()
    assert (await desk.ends(name)).state is State.SUCCEEDED
    late = await react(desk, event, event="$late")
    assert await desk.operation(late) is None


async def test_a_reaction_that_came_while_the_bot_was_away_counts_once(desk, world, homeserver):
    name, event = await slow(desk, world, homeserver)
    desk.intake._around = replace(desk.intake._around, work=AsyncMock())
    cancel = await react(desk, event)
    await react(desk, event)
    handed_over = [
        each.id for call in desk.intake._around.work.await_args_list for each in call.args[0]
    ]
    assert handed_over == [cancel]
    await desk.restart()
    world.clock.flow()
    assert (await desk.ends(cancel)).state is State.SUCCEEDED
    assert (await desk.ends(name)).state is State.CANCELLED


async def test_a_message_a_person_took_away_is_left_alone_and_its_end_told_in_short(
    desk, world, homeserver
):
    name, event = await slow(desk, world, homeserver)
    await redact(desk, event)
    world.clock.flow()
    assert (await desk.ends(name)).state is State.SUCCEEDED
    edits = [attempt for attempt in homeserver.attempts if attempt.edits]
    assert edits == []
    told = homeserver.shown()[-1]
    assert told.startswith("✓ tiny is live on a")
    assert "\n" not in told
    last = list(homeserver.events.values())[-1][2]
    assert last[OPERATION] == {"id": name, "event": "$1", "state": "succeeded"}


async def test_nor_does_the_next_run_touch_it(desk, world, homeserver):
    name, event = await slow(desk, world, homeserver)
    await redact(desk, event)
    await desk.restart()
    world.clock.flow()
    assert (await desk.ends(name)).state is State.SUCCEEDED
    assert [attempt for attempt in homeserver.attempts if attempt.edits] == []
    assert homeserver.shown()[-1].startswith("✓ tiny is live")


async def test_an_end_that_was_still_to_be_said_is_said_by_another_message(desk, world, homeserver):
    name, event = await slow(desk, world, homeserver)
    homeserver.open.clear()
    world.clock.flow()
    while not (await desk.operation(name)).state.ended:
        await asyncio.sleep(0.001)
    await redact(desk, event)
    homeserver.open.set()
    await desk.ends(name)
    assert len(homeserver.shown()) == 2
    assert homeserver.shown()[1].startswith("✓ tiny is live")


async def test_taking_away_what_was_said_to_its_end_says_nothing_more(desk, homeserver):
    await desk.says("!ping")
    event = next(iter(homeserver.events.values()))[0]
    await redact(desk, event)
    await redact(desk, "$nobody")
    await desk.says("!version")
    assert len(homeserver.events) == 2
