"""When a wait is ended, and by whom."""

import asyncio
from contextlib import suppress

import pytest

from inference.patience import Patience

SOON = 0.02
"""Seconds after which nothing was heard."""


async def test_silence_ends_the_block():
    with pytest.raises(TimeoutError):
        async with Patience(SOON):
            await asyncio.sleep(60.0)
    task = asyncio.current_task()
    assert task is not None
    assert not task.cancelling()


async def test_what_is_heard_and_who_is_slow_to_take_it_keep_it_going():
    async with Patience(SOON) as patience:
        patience.pause()
        await asyncio.sleep(3 * SOON)
        patience.heard(60.0)
        patience.resume()
        await asyncio.sleep(3 * SOON)


async def given_up(patience, seconds):
    async with patience:
        patience.give_up("it hangs")
        await asyncio.sleep(seconds)


async def test_it_is_given_up_only_before_the_first_word():
    patience = Patience(60.0)
    patience.heard(60.0)
    await given_up(patience, SOON)
    assert patience.why is None
    patience = Patience(60.0)
    with pytest.raises(TimeoutError):
        await given_up(patience, 60.0)
    assert patience.why == "it hangs"


async def test_giving_up_what_has_just_ended_ends_nothing_else():
    async with Patience(60.0) as patience:
        patience.give_up("too late")
    await asyncio.sleep(SOON)


async def test_who_is_cancelled_by_somebody_else_stays_cancelled():
    async def waiting():
        async with Patience(60.0):
            await asyncio.sleep(60.0)

    task = asyncio.create_task(waiting())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_cancelled_and_silent_at_once_is_cancelled():
    patience = Patience(60.0)

    async def waiting():
        async with patience:
            await asyncio.sleep(60.0)

    task = asyncio.create_task(waiting())
    await asyncio.sleep(0)
    patience.give_up("it hangs")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_of_the_block_itself_is_not_hidden():
    async def failing():
        async with Patience(60.0) as patience:
            patience.give_up("it hangs")
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60.0)
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await failing()


async def test_what_begins_in_the_moment_in_which_it_is_given_up_goes_on():
    loop = asyncio.get_running_loop()
    came, rest = loop.create_future(), loop.create_future()
    patience = Patience(60.0)

    async def hearing():
        async with patience:
            await came
            patience.heard(60.0)
            await rest

    task = asyncio.create_task(hearing())
    await asyncio.sleep(0)
    came.set_result(None)
    patience.give_up("it hangs")
    await asyncio.sleep(0)
    rest.set_result(None)
    await task
    assert patience.why is None


async def test_who_takes_what_came_in_that_moment_is_not_disturbed():
    loop = asyncio.get_running_loop()
    came, taken = loop.create_future(), loop.create_future()
    patience = Patience(60.0)

    async def passing_on():
        async with patience:
            await came
            patience.pause()
            await taken

    task = asyncio.create_task(passing_on())
    await asyncio.sleep(0)
    came.set_result(None)
    patience.give_up("it hangs")
    await asyncio.sleep(0)
    taken.set_result(None)
    await task


async def test_a_shorter_time_than_the_first_counts_from_when_it_is_given():
    async def falling_silent():
        async with Patience(60.0) as patience:
            patience.heard(SOON)
            await asyncio.sleep(60.0)

    async with asyncio.timeout(10.0) as most:
        with pytest.raises(TimeoutError):
            await falling_silent()
    assert not most.expired()
