"""What was used is written down once, whatever becomes of the database meanwhile."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.accounts import Account, Sums
from domain.keys import Key, Owner
from domain.quotas import read_quota
from domain.tariffs import Rate, Tariff
from domain.usage import Fault, Served
from fleet.ledger import LAST_ATTEMPTS, Ledger
from fleet.store.database import Store
from fleet.store.impatience import NotKept
from fleet.store.tenure import StateLost
from fleet.store.usage import REMEMBERED, Batch
from tests.postgres import opened

from .test_lease import cut_off
from .world import Time, until

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
TARIFF = Tariff({"claude": Rate(Decimal(1), Decimal(2))}, "EUR")


def served(tokens=10, **more):
    one = Served(
        at=NOON,
        key="k3f9a2",
        owner="ci",
        model="chat",
        api="chat",
        backend="claude",
        replica="",
        target="",
        streamed=True,
        status=200,
        fault=None,
        prompt_tokens=tokens,
        completion_tokens=1,
        estimated=False,
        first_token=0.1,
        seconds=1.0,
        attempts=1,
    )
    return replace(one, **more)


ACCOUNT = Account(NOON, "k3f9a2", "chat", "claude")


async def written(store, since=NOON - timedelta(days=1)):
    async with store.transaction() as tx:
        return await tx.usage.since(since)


@pytest.fixture
def ledger():
    return Ledger(Time(), TARIFF)


# What is kept


async def test_requests_of_an_hour_are_one_row_with_their_sums(store, ledger):
    ledger.note(served())
    ledger.note(served(30, fault=Fault.CUT_OFF))
    ledger.note(served(5, estimated=True, at=NOON + timedelta(minutes=59)))
    assert await ledger.write(store)
    assert await written(store) == {ACCOUNT: Sums(3, 1, 45, 3, 6, 51_000)}


async def test_what_comes_later_is_added_to_the_row_that_is_there(store, ledger):
    for _ in range(3):
        ledger.note(served())
        assert await ledger.write(store)
    assert await written(store) == {ACCOUNT: Sums(3, 0, 30, 3, 0, 36_000)}


async def test_hours_keys_models_and_backends_are_kept_apart_and_read_from_an_hour_on(
    store, ledger
):
    ledger.note(served(at=NOON - timedelta(hours=1, seconds=1)))
    for other in ({"key": None}, {"model": "x"}, {"backend": ""}, {"backend": "qwen"}, {}):
        ledger.note(served(**other))
    assert await ledger.write(store)
    assert len(await written(store)) == 6
    found = await written(store, NOON)
    assert set(found) == {
        ACCOUNT._replace(key=""),
        ACCOUNT._replace(model="x"),
        ACCOUNT._replace(backend=""),
        ACCOUNT._replace(backend="qwen"),
        ACCOUNT,
    }
    assert all(each.requests == 1 for each in found.values())


async def test_sums_beyond_32_bits_are_kept_whole(store, ledger):
    for _ in range(50):
        ledger.note(served(10**8))
    assert await ledger.write(store)
    assert (await written(store))[ACCOUNT].prompt_tokens == 5 * 10**9


async def test_a_batch_is_counted_once_however_often_it_is_written(store):
    batch = Batch("w", "b1", {ACCOUNT: Sums(1, 0, 10)})
    for counted in (True, False, False):
        async with store.transaction() as tx:
            assert await tx.usage.add(batch, NOON) is counted
    async with store.transaction() as tx:
        assert await tx.usage.add(replace(batch, writer="another", name="b9"), NOON)
        assert not await tx.usage.add(batch, NOON)
        assert await tx.usage.add(replace(batch, name="b2"), NOON + REMEMBERED)
    assert (await written(store))[ACCOUNT].requests == 3


async def test_writers_of_long_ago_are_forgotten(store):
    batch = Batch("w", "b1", {})
    async with store.transaction() as tx:
        await tx.usage.add(batch, NOON)
        await tx.usage.add(replace(batch, writer="v"), NOON + REMEMBERED + timedelta(seconds=1))
        rows = await tx.usage._connection.execute(sa.text("SELECT writer FROM usage_batches"))
        assert rows.scalars().all() == ["v"]


async def test_keys_are_kept_whole_and_revoked_once(store):
    key = Key(
        "k3f9a2",
        Owner("user", "@ann:x"),
        "d",
        NOON,
        "@root:x",
        ("qwen", "big-*"),
        (read_quota("money=0.5EUR/day"), read_quota("tokens=1m/month@big-*")),
        NOON + timedelta(days=30),
    )
    later = NOON + timedelta(hours=1)
    async with store.transaction() as tx:
        assert await tx.keys.add(key, "op1")
        assert not await tx.keys.add(replace(key, digest="e"), "op2")
    async with store.transaction() as tx:
        assert await tx.keys.all() == [key]
        assert await tx.keys.made_by("op1") == key
        assert await tx.keys.made_by("op2") is None
        assert await tx.keys.revoke("k3f9a2", "@ann:x", later)
        assert not await tx.keys.revoke("k3f9a2", "@bob:x", later)
        assert not await tx.keys.revoke("k9", "@bob:x", later)
        assert await tx.keys.all() == [replace(key, revoked_at=later, revoked_by="@ann:x")]


# A database that takes nothing


@pytest.fixture
async def lock(store):
    """Somebody else writes, and does not come to an end until told to."""
    connection = store._connection
    if connection.dialect.name == "sqlite":
        path = (await connection.exec_driver_sql("PRAGMA database_list")).fetchone()[2]
        await connection.rollback()
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.execute("SELECT * FROM usage")

        async def release():
            other.execute("ROLLBACK")

        yield release
        other.close()
        return
    from sqlalchemy.ext.asyncio import create_async_engine

    engine = create_async_engine(connection.engine.url)
    async with engine.connect() as other:
        await other.exec_driver_sql("LOCK TABLE usage IN ACCESS EXCLUSIVE MODE")
        yield other.rollback
    await engine.dispose()


async def test_while_it_is_locked_nobody_waits_and_nothing_is_lost(store, ledger, lock):
    ledger.note(served())
    assert not await ledger.write(store)
    ledger.note(served(20))
    assert not await ledger.write(store)
    assert ledger.unwritten == {ACCOUNT: Sums(2, 0, 30, 2, 0, 34_000)}
    await lock()
    assert await ledger.write(store)
    assert await ledger.write(store)
    assert await written(store) == {ACCOUNT: Sums(2, 0, 30, 2, 0, 34_000)}
    assert not ledger.unwritten


async def test_a_locked_file_refuses_who_can_come_again_and_keeps_nobody_else_from_going_on(
    file, tmp_path
):
    async def attempt():
        async with file.attempt() as tx:
            await tx.keys.revoke("k9", "@ann:x", NOON)

    async def write():
        async with file.transaction() as tx:
            await tx.keys.revoke("k9", "@ann:x", NOON)

    other = sqlite3.connect(tmp_path / "gantry.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(NotKept, match="locked"):
        await attempt()
    writing, began = asyncio.create_task(write()), time.monotonic()
    turns = 0
    while time.monotonic() < began + 0.3:  # several tries of whoever waits
        turns += 1
        await asyncio.sleep(0)
    assert turns > 1000
    assert not writing.done()
    other.close()
    await writing
    await attempt()


async def test_who_waits_for_a_locked_file_can_be_told_to_end(file, tmp_path):
    other = sqlite3.connect(tmp_path / "gantry.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1), file.transaction():
            pytest.fail("it is another's")
    other.close()
    async with file.transaction() as tx:
        assert await tx.keys.all() == []


async def test_a_table_that_is_gone_is_no_end(store, ledger):
    ledger.note(served())
    async with store.transaction() as tx:
        await tx.usage._connection.execute(sa.text("ALTER TABLE usage RENAME TO away"))
    for _ in range(3):
        assert not await ledger.write(store)
        ledger.note(served())
    async with store.transaction() as tx:
        await tx.usage._connection.execute(sa.text("ALTER TABLE away RENAME TO usage"))
    assert await ledger.write(store)
    assert await ledger.write(store)
    assert (await written(store))[ACCOUNT].requests == 4


async def test_memory_is_bounded_by_what_is_told_apart_and_not_by_requests(ledger):
    for _ in range(10_000):
        ledger.note(served())
    assert len(ledger.unwritten) == 1


class Uncertain:
    """A store of which it is not always told whether a transaction was kept."""

    def __init__(self, store, outcomes):
        self._store, self._outcomes = store, list(outcomes)

    @asynccontextmanager
    async def attempt(self):
        outcome = self._outcomes.pop(0) if self._outcomes else "kept"
        if outcome == "refused":
            raise NotKept("database is locked")
        async with self._store.attempt() as tx:
            yield tx
            if outcome == "undone":
                raise NotKept("the connection broke before the commit")
        if outcome == "unknown":
            raise NotKept("the connection broke after the commit")


STEPS = st.lists(
    st.sampled_from(["note", "kept", "refused", "undone", "unknown"]), min_size=1, max_size=30
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(STEPS)
async def test_nothing_is_lost_or_doubled_whatever_becomes_of_transactions(file, steps):
    before = (await written(file)).get(ACCOUNT, Sums())
    ledger, noted = Ledger(Time(), TARIFF), 0
    for step in steps:
        if step == "note":
            ledger.note(served())
            noted += 1
        else:
            await ledger.write(Uncertain(file, [step]))
    await ledger.aclose(file)
    after = (await written(file)).get(ACCOUNT, Sums())
    assert after.requests - before.requests == noted
    assert after.money - before.money == noted * 12_000
    assert not ledger.unwritten


# Behind


async def test_it_writes_about_a_second_behind_and_again_when_there_is_more(store, ledger):
    ledger._clock.flows = False
    running = asyncio.create_task(ledger.run(store))
    try:
        for count in (1, 2):
            ledger.note(served())
            await until(lambda: ledger._clock.waiting)
            assert len(ledger.unwritten) == 1
            ledger._clock.passes(1)
            await until(lambda: not ledger.unwritten)
            assert (await written(store))[ACCOUNT].requests == count
    finally:
        running.cancel()
        await asyncio.wait([running])


async def test_it_tries_again_ever_more_rarely_until_it_is_taken(store, ledger):
    refusing = Uncertain(store, ["refused"] * 6)
    waits, sleep = [], ledger._clock.sleep

    async def noted(seconds):
        waits.append(seconds)
        await sleep(seconds)

    ledger._clock.sleep = noted
    ledger.note(served())
    running = asyncio.create_task(ledger.run(refusing))
    await until(lambda: not ledger.unwritten)
    running.cancel()
    await asyncio.wait([running])
    assert waits == [1, 2, 4, 8, 16, 30, 30]


async def test_at_the_end_the_rest_is_written(store, ledger):
    ledger.note(served())
    assert not await ledger.write(Uncertain(store, ["unknown"]))
    ledger.note(served())
    await ledger.aclose(store)
    assert (await written(store))[ACCOUNT].requests == 2


async def test_an_end_does_not_wait_for_ever_for_a_database_that_takes_nothing(store, ledger):
    ledger.note(served())
    await ledger.aclose(Uncertain(store, ["refused"] * LAST_ATTEMPTS))
    assert ledger.unwritten == {ACCOUNT: Sums(1, 0, 10, 1, 0, 12_000)}


async def test_what_one_state_did_not_take_is_written_to_the_next(store, ledger, tmp_path):
    """As after a database that went away and came back: the house is built anew, this is not."""
    ledger.note(served())
    assert not await ledger.write(Uncertain(store, ["refused"]))
    another = await Store.open(tmp_path / "another.db")
    assert await ledger.write(another)
    assert (await written(another))[ACCOUNT].requests == 1
    await another.aclose()


async def test_a_server_that_goes_away_takes_nothing_with_it(postgres, ledger):
    """The connection breaks, perhaps within a commit; the house is built anew on another one."""
    url = await postgres.fresh()
    gone = await opened(url)
    ledger.note(served())
    assert await ledger.write(gone)
    await cut_off(postgres, url)
    ledger.note(served())
    with pytest.raises(StateLost, match="broke"):
        await gone.guarding(ledger.run(gone))
    ledger.note(served())
    assert ledger.unwritten[ACCOUNT].requests == 2
    await gone.aclose()
    back = await opened(url)
    assert await ledger.write(back)
    assert await ledger.write(back)
    assert (await written(back))[ACCOUNT].requests == 3
    await back.aclose()
