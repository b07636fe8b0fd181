"""What is said stays said once when answers are lost, rooms fail or the process is killed."""

import asyncio

from bot.matrix.outbox import Outbox
from domain.errors import Unreachable
from tests.fleet.world import until

from .homeserver import OTHER, ROOM, Lost
from .voice import Voice, quiet, words

AWAY = Unreachable("no answer")


async def test_an_answer_that_was_lost_does_not_say_it_twice(voice, homeserver, clock, start):
    homeserver.answers(ROOM, Lost(AWAY), AWAY, Lost(AWAY))
    start(voice.outbox)
    await voice.say("m", "one")
    await voice.say("n", "two")
    await voice.all_said()
    assert homeserver.shown() == ["one", "two"]
    assert len({a.transaction for a in homeserver.attempts if a.body == "one"}) == 1


async def test_killed_before_the_answer_the_next_run_sends_the_same_event(
    voice, homeserver, store, clock, start
):
    homeserver.answers(ROOM, Lost(AWAY))
    clock.flows = False
    first = start(voice.outbox)
    await voice.say("m", "working", final=False)
    await until(lambda: clock.waiting)
    first.cancel()
    await asyncio.wait([first])
    async with store.transaction() as tx:
        await tx.messages.want("m", ROOM, words("done"))
    start(Outbox(homeserver, store, clock))
    await voice.all_said()
    assert homeserver.shown() == ["done"]
    sent = [(attempt.body, attempt.edits) for attempt in homeserver.attempts]
    assert sent == [("working", None), ("working", None), ("* done", "$1")]
    assert homeserver.attempts[0].transaction == homeserver.attempts[1].transaction


async def test_killed_after_the_post_the_next_run_edits_the_same_message(
    voice, homeserver, store, clock, start
):
    first = start(voice.outbox)
    await voice.say("m", "working", final=False)
    await until(lambda: homeserver.shown() == ["working"])
    await quiet()
    first.cancel()
    await asyncio.wait([first])
    again = Voice(homeserver, store, clock)
    start(again.outbox)
    await again.say("m", "done")
    await again.all_said()
    assert homeserver.shown() == ["done"]


async def test_nothing_is_said_again_by_the_next_run(voice, homeserver, store, clock, start):
    first = start(voice.outbox)
    await voice.say("m", "one")
    await voice.all_said()
    first.cancel()
    await asyncio.wait([first])
    again = Voice(homeserver, store, clock)
    start(again.outbox)
    await again.say("n", "two")
    await again.all_said()
    assert [attempt.body for attempt in homeserver.attempts] == ["one", "two"]


async def test_attempts_come_more_and_more_rarely(voice, homeserver, clock, start):
    homeserver.answers(ROOM, *[AWAY] * 12)
    start(voice.outbox)
    await voice.say("m", "one")
    await voice.all_said()
    least = 0.5 * (1 + 2 + 4 + 8 + 16 + 32 + 6 * 60)
    assert least <= clock.seconds <= 2 * least


async def test_one_room_that_fails_does_not_hold_up_the_others(voice, homeserver, clock, start):
    clock.flows = False
    homeserver.answers(ROOM, *[AWAY] * 100)
    start(voice.outbox)
    await voice.say("m", "never")
    await until(lambda: clock.waiting)
    for number in range(3):
        await voice.say(f"o{number}", str(number), OTHER)
    await until(lambda: homeserver.shown(OTHER) == ["0", "1", "2"])
    assert homeserver.shown() == []
