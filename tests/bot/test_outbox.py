"""What is to be said is said: once, in order, and whatever the homeserver answers."""

import asyncio
from itertools import pairwise

import pytest

from bot.matrix.answers import LoggedOut, RateLimited, TooLarge
from bot.matrix.patience import FIRST_WAIT
from domain.errors import Refused, Unreachable
from tests.fleet.world import until

from .homeserver import OTHER, ROOM
from .voice import quiet


async def test_messages_are_said_once_each_in_order(voice, homeserver, start):
    start(voice.outbox)
    for number in range(5):
        await voice.say(f"m{number}", str(number))
    await voice.all_said()
    assert homeserver.shown() == ["0", "1", "2", "3", "4"]
    assert len(homeserver.attempts) == 5


async def test_what_is_delivered_before_the_outbox_runs_is_said_too(voice, homeserver, start):
    await voice.say("m", "early")
    start(voice.outbox)
    await voice.all_said()
    assert homeserver.shown() == ["early"]


async def test_progress_nobody_saw_is_skipped(voice, homeserver, start):
    start(voice.outbox)
    await voice.say("m", "0 %", final=False)
    await until(lambda: homeserver.shown() == ["0 %"])
    homeserver.open.clear()
    for percent in range(1, 50):
        voice.show("m", f"{percent} %")
        await asyncio.sleep(0)
    await voice.say("m", "done")
    homeserver.open.set()
    await voice.all_said()
    assert homeserver.shown() == ["done"]
    assert len(homeserver.attempts) <= 3


async def test_an_end_is_said_before_anybodys_progress(voice, homeserver, start):
    start(voice.outbox)
    for key in ("slow", "ending", "blocker"):
        await voice.say(key, f"{key} begins", final=False)
    await until(lambda: len(homeserver.shown()) == 3)
    homeserver.open.clear()
    voice.show("blocker", "in the way")
    await until(lambda: len(homeserver.attempts) == 4)
    voice.show("slow", "still going")
    await voice.say("ending", "over")
    await voice.say("new", "hello")
    homeserver.open.set()
    await until(lambda: len(homeserver.attempts) == 7)
    *sooner, last = [attempt.body for attempt in homeserver.attempts[4:]]
    assert sorted(sooner) == ["* over", "hello"]
    assert last == "* still going"


async def test_progress_after_the_end_is_not_shown(voice, homeserver, start):
    start(voice.outbox)
    await voice.say("m", "over")
    voice.show("m", "late news")
    voice.show("nobody", "no such message")
    await voice.all_said()
    await quiet()
    assert homeserver.shown() == ["over"]


async def test_going_back_to_earlier_words_is_a_new_edit(voice, homeserver, start):
    """With the same transaction id the homeserver would drop it and the room would keep `b`."""
    start(voice.outbox)
    await voice.say("m", "start", final=False)
    for before, text in pairwise(("start", "a", "b", "a")):
        await until(lambda before=before: homeserver.shown() == [before])
        voice.show("m", text)
    await until(lambda: len(homeserver.events) == 4)
    assert homeserver.shown() == ["a"]


async def test_a_rate_limit_holds_back_every_room_and_loses_nothing(
    voice, homeserver, clock, start
):
    clock.flows = False
    homeserver.answers(ROOM, RateLimited(5), RateLimited(3))
    start(voice.outbox)
    await voice.say("m", "one")
    await until(lambda: clock.waiting)
    await voice.say("o", "two", OTHER)
    clock.passes(4.9)
    await quiet()
    assert len(homeserver.attempts) == 1
    clock.passes(0.2)
    await until(lambda: clock.waiting and len(homeserver.attempts) >= 2)
    clock.passes(3)
    await voice.all_said()
    assert (homeserver.shown(), homeserver.shown(OTHER)) == (["one"], ["two"])
    assert len({a.transaction for a in homeserver.attempts if a.room == ROOM}) == 1


async def test_a_message_the_room_will_not_have_is_given_up_and_the_next_one_said(
    voice, homeserver, start
):
    homeserver.answers(ROOM, Refused("you are not in that room"))
    start(voice.outbox)
    await voice.say("m", "unwelcome")
    await voice.say("n", "welcome")
    await voice.all_said()
    assert homeserver.shown() == ["welcome"]
    assert [attempt.body for attempt in homeserver.attempts] == ["unwelcome", "welcome"]


@pytest.mark.parametrize("first", ["short", "long"])
async def test_what_is_too_large_is_said_to_be_so_and_is_settled(
    voice, homeserver, store, clock, start, first
):
    start(voice.outbox)
    if first == "short":
        await voice.say("m", "working", final=False)
        await until(lambda: homeserver.shown() == ["working"])
    homeserver.answers(ROOM, TooLarge("too large"))
    await voice.say("m", "much too long")
    await voice.all_said()
    assert homeserver.shown() == ["This answer is too large for the homeserver."]


async def test_even_the_word_that_it_is_too_large_may_be_too_large(voice, homeserver, start):
    homeserver.answers(ROOM, TooLarge("too large"), TooLarge("too large"))
    start(voice.outbox)
    await voice.say("m", "much too long")
    await voice.all_said()
    await voice.say("n", "next")
    await voice.all_said()
    assert homeserver.shown() == ["next"]
    assert len(homeserver.attempts) == 3


async def test_a_login_that_is_gone_ends_the_outbox_in_its_own_words(voice, homeserver, start):
    """The process ends with one line about it, so it must not be wrapped in anything."""
    homeserver.answers(ROOM, LoggedOut("the login is gone"))
    running = start(voice.outbox)
    await voice.say("m", "one")
    with pytest.raises(LoggedOut, match="the login is gone"):
        await asyncio.wait_for(running, 5)
    assert await voice.unsaid() == ["m"]


async def test_settled_waits_for_the_last_word_but_not_for_ever(voice, homeserver, start):
    start(voice.outbox)
    await voice.outbox.settled(5)
    homeserver.open.clear()
    await voice.say("m", "one")
    await voice.outbox.settled(0.05)
    assert await voice.unsaid() == ["m"]
    homeserver.open.set()
    await voice.all_said()


async def test_several_are_on_their_way_at_once_but_of_one_subject_one(voice, homeserver, start):
    start(voice.outbox)
    homeserver.open.clear()
    for key in ("operation:a", "operation:a:call", "operation:b", "n"):
        await voice.say(key, key)
    await until(lambda: len(homeserver.attempts) == 3)
    await quiet()
    assert [attempt.body for attempt in homeserver.attempts] == ["operation:a", "operation:b", "n"]
    homeserver.open.set()
    await voice.all_said()
    assert homeserver.attempts[3].body == "operation:a:call"


async def test_a_homeserver_that_limits_us_is_given_one_at_a_time(voice, homeserver, clock, start):
    clock.flows = False
    homeserver.answers(ROOM, RateLimited(5))
    start(voice.outbox)
    await voice.say("m", "m")
    await until(lambda: clock.waiting)
    homeserver.open.clear()
    for key in ("n", "o"):
        await voice.say(key, key)
    clock.passes(5)
    await until(lambda: len(homeserver.attempts) == 2)
    await quiet()
    assert [attempt.body for attempt in homeserver.attempts] == ["m", "m"]
    homeserver.open.set()
    await voice.all_said()
    assert homeserver.shown() == ["m", "n", "o"]


async def test_what_fails_together_is_tried_again_together(voice, homeserver, clock, start):
    clock.flows = False
    homeserver.answers(ROOM, *[Unreachable("gone")] * 3)
    for key in "abc":
        await voice.say(key, key)
    start(voice.outbox)
    await until(lambda: clock.waiting and len(homeserver.attempts) == 3)
    clock.passes(FIRST_WAIT)
    await voice.all_said()
    assert sorted(homeserver.shown()) == ["a", "b", "c"]
    assert len(homeserver.attempts) == 6
