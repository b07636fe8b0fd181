"""Whose turn it is: one holder at a time, by the database's clock, and no writing out of turn."""

import asyncio

import pytest

from bot.clock import SystemClock
from domain.errors import ConfigError, Unreachable
from fleet.store.lease import LENGTH, LOOK_EVERY, MARGIN, PATIENCE, RENEW_EVERY, Claim, Lease
from fleet.store.postgres import Address, Shared
from fleet.store.tenure import LostLease, StateLost
from tests.postgres import name_of, opened

from .world import ROOM, Time, until

WORKING = {"body": "working"}


def test_it_is_certain_until_a_margin_before_it_ends():
    lease = Lease("one", 3, asked_at=100.0)
    assert lease.sure_for(100.0) == LENGTH - MARGIN
    assert lease.sure_for(100.0 + LENGTH - MARGIN) == 0
    assert lease.renewed(104.0) == Lease("one", 3, asked_at=104.0)
    assert lease.renewed(104.0).sure_for(104.0) == LENGTH - MARGIN


@pytest.mark.parametrize(("left", "free"), [(9.0, False), (0.1, False), (0.0, True), (-5.0, True)])
def test_it_may_be_taken_once_nothing_of_it_is_left(left, free):
    assert Claim("one", 1, left).free is free


def test_the_times_leave_room_for_each_other():
    """A bot gives up, and has time to stop, before it is stopped, before another begins; all of
    it in less than fifteen seconds, the other's start included."""
    assert RENEW_EVERY * 2 < PATIENCE < LENGTH - MARGIN < LENGTH
    assert LENGTH + LOOK_EVERY < 12


async def keep(store, key):
    async with store.transaction() as tx:
        await tx.messages.want(key, ROOM, WORKING)


async def kept(cluster, url):
    rows = await cluster.run(name_of(url), "SELECT key FROM messages ORDER BY key")
    return [row["key"] for row in rows]


async def expire(cluster, url):
    """As when ten seconds have passed without a renewal."""
    await cluster.run(name_of(url), "UPDATE lease SET until = clock_timestamp()")


@pytest.fixture
async def url(postgres):
    return await postgres.fresh()


@pytest.fixture
async def one(url):
    store = await opened(url, "one")
    yield store
    await store.aclose()


async def connected(url, instance="two"):
    return await Shared.connect(Address(url, None, instance))


async def test_a_second_bot_waits_for_the_first_and_is_told_its_name(url, one):
    two = await connected(url)
    assert await two.take(SystemClock()) is None
    claim = await two.claim()
    assert (claim.holder, claim.free) == ("one", False)
    assert LENGTH - 5 < claim.left <= LENGTH
    await two.aclose()


async def test_after_a_clean_stop_the_next_has_it_at_once(url):
    await (await opened(url, "one")).aclose()
    two = await connected(url)
    assert (await two.claim()).free
    lease = await two.take(SystemClock())
    assert lease.holder == "two"
    await two.aclose()


async def test_of_many_who_reach_for_it_one_gets_it(url):
    bots = [await connected(url, f"bot{n}") for n in range(8)]
    taken = await asyncio.gather(*(bot.take(SystemClock()) for bot in bots))
    assert len([lease for lease in taken if lease]) == 1
    for bot in bots:
        await bot.aclose()


async def test_each_turn_has_a_number_of_its_own(url):
    epochs = []
    for _ in range(3):
        store = await opened(url)
        epochs.append(store._tenure.lease.epoch)
        await store.aclose()
    assert epochs == sorted(set(epochs))


async def test_who_lost_it_writes_nothing_more_and_its_work_ends(postgres, url, one):
    """Not even an error comes back: whoever wrote might react to it."""
    seen = []

    async def work():
        await keep(one, "mine")
        await expire(postgres, url)
        two = await opened(url, "two")
        try:
            await keep(one, "too late")
        except BaseException as error:
            seen.append(type(error))
            raise
        finally:
            await keep(two, "theirs")
            await two.aclose()

    with pytest.raises(LostLease, match="`two` has taken over"):
        await one.guarding(work())
    async with asyncio.timeout(5):
        while seen != [asyncio.CancelledError] or "theirs" not in await kept(postgres, url):
            await asyncio.sleep(0.01)
    assert await kept(postgres, url) == ["mine", "theirs"]


async def test_nobody_takes_it_in_the_middle_of_a_transaction(postgres, url, one):
    """What is committed under a turn is committed in it: two can read all of it."""
    async with one.transaction() as tx:
        await tx.messages.want("whole", ROOM, WORKING)
        two = await connected(url)
        assert await two.take(SystemClock(), Lease("one", one._tenure.lease.epoch, 0)) is None
    assert await two.take(SystemClock(), Lease("one", one._tenure.lease.epoch, 0)) is not None
    assert await kept(postgres, url) == ["whole"]
    await two.aclose()


async def test_it_is_renewed_while_work_goes_on(url):
    clock, told = Time(), []
    clock.flows = False
    shared = await connected(url, "one")
    store = await shared.open(await shared.take(clock), clock, told.append)
    done = asyncio.Event()
    guarding = asyncio.create_task(store.guarding(done.wait()))
    assert told == [LENGTH - MARGIN]
    for turn in range(1, 4):
        due = clock.seconds + RENEW_EVERY
        await until(lambda due=due: [when for when, _ in clock._sleepers] == [due])
        clock.passes(RENEW_EVERY)
        await until(lambda turn=turn: len(told) == 1 + turn)
    assert told == [LENGTH - MARGIN] * 4
    assert store._tenure.lease.asked_at == 3 * RENEW_EVERY
    done.set()
    assert await guarding is True
    await store.aclose()


async def test_a_database_that_does_not_answer_is_given_up_in_time_to_stop(url):
    """The work has ended when the error comes, long before anybody else can begin."""
    clock, ended = Time(), []
    clock.flows = False
    shared = await connected(url, "one")
    store = await shared.open(await shared.take(clock), clock, lambda _: None)

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(clock.monotonic())

    guarding = asyncio.create_task(store.guarding(work()))
    async with store._turn:  # as if a statement hung
        await until(lambda: clock.waiting == 1)
        clock.passes(RENEW_EVERY)
        await until(lambda: "renew the lease" in [t.get_name() for t in asyncio.all_tasks()])
        await until(lambda: clock.waiting == 1)
        clock.passes(PATIENCE - RENEW_EVERY)
        with pytest.raises(StateLost, match="does not answer"):
            await guarding
    assert ended == [PATIENCE]
    await store.aclose()


async def test_two_that_begin_on_an_empty_database_do_not_collide(postgres):
    url = await postgres.empty()
    bots = await asyncio.gather(*(connected(url, f"bot{n}") for n in range(4)))
    clock = SystemClock()
    taken = await asyncio.gather(*(bot.take(clock) for bot in bots))
    [(bot, lease)] = [(bot, lease) for bot, lease in zip(bots, taken, strict=True) if lease]
    store = await bot.open(lease, clock, lambda _: None)
    await keep(store, "first")
    await store.aclose()
    for other in bots:
        await other.aclose()


async def test_only_who_has_the_turn_changes_the_tables(postgres):
    """A newer release that stands by leaves those of the older one that acts alone."""
    url = await postgres.empty()
    shared = await connected(url)
    rows = await postgres.run(
        name_of(url), "SELECT tablename FROM pg_tables WHERE schemaname='public'"
    )
    assert [row["tablename"] for row in rows] == ["lease"]
    with pytest.raises((ConfigError, Unreachable)):
        await shared.visit()
    await shared.aclose()


async def test_what_a_bot_may_do_without_its_turn_leaves_the_place_in_the_rooms(url, one):
    """`gantry check` beside a bot that acts: it makes its own device and moves nothing back."""
    from fleet.store.positions import Position

    me = "@gantry:example.org"
    async with one.transaction() as tx:
        await tx.positions.put(Position(me, "ONE", "secret", "s1"))
    two = await (await connected(url)).visit()
    async with two.transaction() as tx:
        before = await tx.positions.get(me)
    async with one.transaction() as tx:
        await tx.positions.reached(me, "s2")
    async with two.transaction() as tx:
        await tx.positions.put(Position(me, "TWO", "another", before.token))
    async with one.transaction() as tx:
        assert (await tx.positions.get(me)).device_id == "ONE"
        assert (await tx.positions.get(me)).token == "s2"
    await two.aclose()


@pytest.mark.parametrize("state", ["idle in transaction", "active"])
async def test_a_holder_that_is_frozen_in_a_transaction_keeps_nobody_out(postgres, url, one, state):
    """It holds the row until its session is ended. A session that was asked to prepare a statement
    and not yet to run it counts as active for ever."""
    inside = asyncio.Event()

    async def freeze():
        async with one.transaction() as tx:
            await tx.messages.want("never", ROOM, WORKING)
            if state == "active":
                raw = await tx.services._connection.get_raw_connection()
                await raw.driver_connection.prepare("SELECT 1 AS half_way")
            inside.set()
            await asyncio.Event().wait()

    await expire(postgres, url)
    frozen = asyncio.create_task(freeze())
    await inside.wait()
    [row] = await postgres.run(
        name_of(url),
        "SELECT state FROM pg_stat_activity WHERE application_name = 'gantry'"
        " AND datname = current_database()",
    )
    assert row["state"] == state
    two = await connected(url)
    async with asyncio.timeout(5):
        while (lease := await two.take(SystemClock())) is None:
            await asyncio.sleep(0.01)
    assert lease.holder == "two"
    assert await kept(postgres, url) == []
    frozen.cancel()
    async with asyncio.timeout(5):
        await asyncio.wait({frozen})
    assert frozen.cancelled(), "who is cancelled when the database is gone is not kept waiting"
    await two.aclose()


async def cut_off(cluster, url):
    """As a server does that shuts down, or that is tired of an idle transaction."""
    await cluster.run(
        name_of(url),
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'gantry'",
    )


async def test_who_lost_it_finds_out_when_renewing_it(postgres, url):
    clock = Time()
    clock.flows = False
    shared = await connected(url, "one")
    store = await shared.open(await shared.take(clock), clock, lambda _: None)
    guarding = asyncio.create_task(store.guarding(asyncio.Event().wait()))
    await expire(postgres, url)
    two = await opened(url, "two")
    await until(lambda: clock.waiting == 1)
    clock.passes(RENEW_EVERY)
    with pytest.raises(LostLease, match="`two` has taken over"):
        async with asyncio.timeout(5):
            await guarding
    await two.aclose()
    await store.aclose()


@pytest.mark.parametrize("moment", ["between transactions", "within one"])
async def test_a_connection_that_breaks_ends_the_turn_and_the_same_bot_has_it_back_at_once(
    postgres, url, moment
):
    store = await opened(url, "one")
    before = store._tenure.lease

    async def work():
        if moment == "between transactions":
            await cut_off(postgres, url)
            await keep(store, "lost")
        async with store.transaction() as tx:
            await tx.messages.want("lost", ROOM, WORKING)
            await cut_off(postgres, url)
            await tx.messages.want("lost too", ROOM, WORKING)

    with pytest.raises(StateLost, match="broke"):
        async with asyncio.timeout(5):
            await store.guarding(work())
    await store.aclose()
    shared = await connected(url, "one")
    again = await shared.take(SystemClock(), before)
    assert again.epoch == before.epoch + 1
    store = await shared.open(again, SystemClock(), lambda _: None)
    await keep(store, "kept")
    assert await kept(postgres, url) == ["kept"]
    await store.aclose()
