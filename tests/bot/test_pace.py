"""Progress by edits on a homeserver that lets one event through in 5 s."""

import asyncio
from itertools import pairwise

import pytest

from bot.matrix.answers import RateLimited
from bot.matrix.content import told
from bot.matrix.live_reply import LiveReply, interval
from bot.matrix.outbox import Outbox
from bot.matrix.pace import RECOVERY, Pace
from domain.operations import Operation, State
from domain.progress import Progress

from .homeserver import ANN, OTHER, ROOM, Homeserver

EVERY, BURST = 5.0, 10
"""Synapse's defaults: one event in so many seconds, after so many at once."""


def test_nothing_is_held_back_until_something_was_refused():
    assert Pace().wait(last=100.0, now=100.0) == 0.0


@pytest.mark.parametrize(("asked", "interval"), [(5.0, 10.0), (0.3, 0.0), (60.0, 120.0)])
def test_edits_then_take_half_of_what_is_let_through(asked, interval):
    pace = Pace().refused(asked, now=50.0)
    assert pace.interval_at(50.0) == interval
    assert pace.wait(last=49.0, now=50.0) == max(0.0, interval - 1)
    assert pace.wait(last=0.0, now=500.0) == 0.0


def test_a_milder_refusal_later_does_not_make_it_faster():
    assert Pace().refused(5, 0).refused(1, 9).interval_at(9) == 10


def test_what_is_not_refused_any_more_is_tried_again_little_by_little():
    pace = Pace().refused(5, now=100)
    assert [pace.interval_at(100 + RECOVERY * n) for n in (0.9, 1, 2, 3, 4, 1e9)] == [
        10,
        5,
        2.5,
        1.25,
        0,
        0,
    ]


class Limited(Homeserver):
    """Takes BURST events at once and then one every so often, like Synapse."""

    def __init__(self, clock):
        super().__init__()
        self.clock, self.level, self.at = clock, 0.0, 0.0
        self.refused, self.taken = 0, []

    async def send(self, room, content, transaction):
        now = self.clock.seconds
        self.level = max(0.0, self.level - (now - self.at) / EVERY)
        self.at = now
        if self.level + 1 > BURST:
            self.refused += 1
            raise RateLimited((self.level + 1 - BURST) * EVERY)
        self.level += 1
        self.taken.append((now, room, content))
        return await super().send(room, content, transaction)


class Stage:
    """Operations that report progress twice a second, on a clock that a test turns."""

    def __init__(self, store, clock, start):
        clock.flows = False
        self.store, self.clock, self.homeserver = store, clock, Limited(clock)
        self.outbox = Outbox(self.homeserver, store, clock)
        self.sending = start(self.outbox)
        self.running = {}

    def begins(self, name, room=ROOM):
        operation = Operation(name, f"${name}", room, ANN, "deploy", self.clock.now(), True)

        def show(news, elapsed):
            return (f"{name} at {round(self.clock.seconds)}",)

        def render(blocks):
            return told(blocks, operation, State.RUNNING, "!")

        live = LiveReply(name, room, show, render, self.outbox, self.store, self.clock)
        self.running[name] = (operation, live)

    async def passes(self, seconds):
        for _ in range(round(seconds * 2)):
            for _, live in self.running.values():
                live.report(Progress("step"))
            self.clock.passes(0.5)
            await self.settle()

    async def settle(self):
        for _ in range(12):
            await asyncio.sleep(0)

    async def ends(self, name):
        """How long the end of an operation takes to be seen."""
        operation, live = self.running.pop(name)
        await live.stop()
        content = told((f"{name} is done",), operation, State.SUCCEEDED, "!")
        async with self.store.transaction() as tx:
            message = await tx.messages.want(name, operation.room, content)
        began = self.clock.seconds
        self.outbox.deliver(message, final=True)
        await self.settle()
        while f"{name} is done" not in self.homeserver.shown(operation.room):
            await self.passes(0.5)
            assert self.clock.seconds - began < 60
        return self.clock.seconds - began

    def shown_at(self, name):
        """When a bar of that operation was fresh."""
        return [at for at, _, content in self.homeserver.taken if f"{name} at" in content["body"]]


@pytest.fixture
async def stage(store, clock, start):
    return Stage(store, clock, start)


async def begun(stage, *names):
    """Wait for the first words of each to have been kept, which takes a database its time."""
    async with asyncio.timeout(10):
        while not all(stage.shown_at(name) for name in names):
            await stage.passes(0.5)
            await asyncio.sleep(0.001)


async def test_twenty_minutes_take_a_few_dozen_edits_and_the_end_is_seen_at_once(stage):
    stage.begins("long")
    await begun(stage, "long")
    await stage.passes(20 * 60)
    times = stage.shown_at("long")
    assert 20 <= len(times) <= 40
    gaps = pairwise(times)
    assert all(after - at <= interval(at) + 2 * EVERY + 1 for at, after in gaps)
    assert stage.homeserver.refused <= 2
    assert await stage.ends("long") <= EVERY


async def test_several_share_the_allowance_and_an_end_waits_for_none_of_them(stage):
    names = [f"op{number}" for number in range(6)]
    for number, name in enumerate(names):
        stage.begins(name, OTHER if number % 2 else ROOM)
    await begun(stage, *names)
    await stage.passes(60)
    assert await stage.ends("op0") <= 2 * EVERY
    await stage.passes(120)
    assert await stage.ends("op1") <= 2 * EVERY
    await stage.passes(60)
    now = stage.clock.seconds
    for name in names[2:]:
        assert now - stage.shown_at(name)[-1] <= interval(now) + 6 * 2 * EVERY
    assert stage.homeserver.refused <= 24, "one every ten seconds at most, of six operations"
    ends = [await stage.ends(name) for name in names[2:]]
    assert max(ends) <= 2 * EVERY


async def test_an_end_overtakes_an_edit_that_was_refused(stage):
    names = ("one", "two", "three")
    for name in names:
        stage.begins(name)
    await begun(stage, *names)
    while not stage.homeserver.refused:
        await stage.passes(0.5)
    assert await stage.ends("one") <= EVERY
    later = [c["body"] for _, _, c in stage.homeserver.taken]
    assert later[-1] == "* one is done"
