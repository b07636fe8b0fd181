"""Ending work early because somebody asked, which a shutdown is not."""

import asyncio

import pytest

from domain.errors import Cancelled
from fleet.cancellations import Cancellations

from .world import ANN, until


class Work:
    """Something that runs until it is let go or cancelled."""

    def __init__(self):
        self.go_on, self.began, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(self, outcome="done"):
        self.began.set()
        try:
            await self.go_on.wait()
        finally:
            self.ended.set()
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


@pytest.fixture
def cancellations():
    return Cancellations()


@pytest.fixture
def work():
    return Work()


async def test_work_nobody_minds_comes_to_its_end(cancellations, work):
    work.go_on.set()
    assert await cancellations.guard("op", work.run()) == "done"
    with pytest.raises(KeyError, match="itself"):
        await cancellations.guard("op", work.run(KeyError("itself")))


async def test_work_ends_once_somebody_asks_and_their_name_is_told(cancellations, work):
    guarded = asyncio.create_task(cancellations.guard("op", work.run()))
    await work.began.wait()
    cancellations.ask("op", ANN)
    cancellations.ask("op", "@bob:example.org")
    with pytest.raises(Cancelled, match=f"cancelled by {ANN}"):
        await guarded
    assert work.ended.is_set()


async def test_asking_for_another_operation_disturbs_nobody(cancellations, work):
    guarded = asyncio.create_task(cancellations.guard("op", work.run()))
    await work.began.wait()
    cancellations.ask("other", ANN)
    work.go_on.set()
    assert await guarded == "done"


async def test_work_asked_to_end_before_it_began_is_ended_at_once(cancellations, work):
    cancellations.ask("op", ANN)
    with pytest.raises(Cancelled):
        await asyncio.wait_for(cancellations.guard("op", work.run()), 5)
    assert work.began.is_set() == work.ended.is_set()


async def test_an_operation_that_ended_is_forgotten(cancellations, work):
    cancellations.ask("op", ANN)
    cancellations.forget("op")
    work.go_on.set()
    assert await cancellations.guard("op", work.run()) == "done"


async def test_a_shutdown_is_not_a_cancellation(cancellations, work):
    """The operation is to be resumed by the next run, not to be put back."""
    guarded = asyncio.create_task(cancellations.guard("op", work.run()))
    await work.began.wait()
    guarded.cancel()
    with pytest.raises(asyncio.CancelledError):
        await guarded
    assert work.ended.is_set()


async def test_work_that_takes_its_time_to_end_is_waited_for(cancellations):
    tidy, began = asyncio.Event(), asyncio.Event()

    async def slow_to_end():
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            await tidy.wait()

    guarded = asyncio.create_task(cancellations.guard("op", slow_to_end()))
    await began.wait()
    cancellations.ask("op", ANN)
    for _ in range(20):
        await asyncio.sleep(0)
    assert not guarded.done()
    tidy.set()
    with pytest.raises(Cancelled):
        await guarded


async def test_an_error_on_the_way_out_does_not_hide_who_asked(cancellations):
    began = asyncio.Event()

    async def breaks_while_ending():
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            raise RuntimeError

    guarded = asyncio.create_task(cancellations.guard("op", breaks_while_ending()))
    await began.wait()
    cancellations.ask("op", ANN)
    with pytest.raises(Cancelled):
        await guarded


async def test_a_lock_waited_for_in_vain_is_free_again(cancellations):
    lock = asyncio.Lock()
    await lock.acquire()
    waiting = asyncio.create_task(cancellations.guard("op", lock.acquire()))
    await until(lambda: lock._waiters)
    cancellations.ask("op", ANN)
    with pytest.raises(Cancelled):
        await waiting
    lock.release()
    await asyncio.wait_for(lock.acquire(), 1)


async def test_work_that_does_not_end_is_left_to_itself_and_that_is_told():
    cancellations, let_go, ended = Cancellations(patience=0), asyncio.Event(), asyncio.Event()

    async def deaf():
        while not let_go.is_set():
            try:
                await let_go.wait()
            except asyncio.CancelledError:
                continue
        ended.set()

    guarded = asyncio.create_task(cancellations.guard("op", deaf()))
    await asyncio.sleep(0)
    cancellations.ask("op", ANN)
    with pytest.raises(Cancelled) as caught:
        await guarded
    assert caught.value.unanswered
    assert not ended.is_set()
    let_go.set()
    await until(ended.is_set)


async def test_work_that_ends_when_told_to_is_not_said_to_be_deaf(cancellations, work):
    guarded = asyncio.create_task(cancellations.guard("op", work.run(), "All is well."))
    await work.began.wait()
    cancellations.ask("op", ANN)
    with pytest.raises(Cancelled) as caught:
        await guarded
    assert not caught.value.unanswered
    assert caught.value.standing == "All is well."
