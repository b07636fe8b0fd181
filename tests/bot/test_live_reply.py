"""How often a running operation is shown anew."""

import asyncio

import pytest

from bot.matrix.content import notice
from bot.matrix.live_reply import SHORTEST, LiveReply, interval
from domain.progress import Progress

from .homeserver import ROOM


@pytest.mark.parametrize(
    ("elapsed", "wait"), [(0, 2), (1, 2), (10, 2), (11, 2.2), (60, 12), (3600, 720)]
)
def test_edits_are_brisk_at_first_and_then_come_each_fifth_of_the_time(elapsed, wait):
    assert interval(elapsed) == pytest.approx(wait)


@pytest.mark.parametrize(("minutes", "most"), [(1, 16), (20, 32), (24 * 60, 56)])
def test_even_a_long_operation_is_edited_a_few_dozen_times(minutes, most):
    elapsed, edits = 0.0, 0
    while elapsed < minutes * 60:
        elapsed += interval(elapsed)
        edits += 1
    assert edits <= most
    assert interval(0) == SHORTEST


@pytest.mark.parametrize("turns", range(8))
async def test_news_that_come_just_before_the_end_do_not_keep_it_waiting(desk, world, turns):
    """Found by a crowd: the end of an operation waited for its progress, for good."""
    live = LiveReply(
        "op:x", ROOM, lambda news, _: (news.step,), lambda _: notice("x"), desk.outbox, world.store,
        world.clock,
    )  # fmt: skip
    live.report(Progress("begin"))
    async with asyncio.timeout(10):
        while not live._fresh._waiters:
            await asyncio.sleep(0)
    live.report(Progress("almost there"))
    for _ in range(turns):
        await asyncio.sleep(0)
    await asyncio.wait_for(live.stop(), 5)
