"""The audit in the state: it grows with what it is about, and does nothing else."""

from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta

import pytest
import sqlalchemy as sa

from domain.audit import Kind, Record
from domain.chain import START, verify
from domain.errors import ConfigError
from domain.operations import State
from fleet.pruning import Pruning
from fleet.store.audit import Mirror
from fleet.store.database import Store
from fleet.store.reading import PAGE, records_in, records_of

from .test_database import run
from .world import ANN, ROOM, World

CONTENT = {"msgtype": "m.notice", "body": "told"}


@pytest.fixture
def record(world: World) -> Record:
    return Record(Kind.OPERATION, world.clock.now(), ANN, ROOM, "stop", "succeeded", notable=True)


async def kept(store):
    async with store.transaction() as tx:
        return await tx.audit.after(0, 100)


async def test_records_are_chained_across_transactions_and_restarts(tmp_path, record):
    path = tmp_path / "again.db"
    for _ in range(2):
        store = await Store.open(path)
        for _ in range(2):
            async with store.transaction() as tx:
                await tx.audit.append(record)
                await tx.audit.append(replace(record, notable=False))
        entries = await kept(store)
        await store.aclose()
    assert [entry.sequence for entry in entries] == list(range(1, 9))
    assert verify(entries) is None


async def test_a_transaction_that_is_not_kept_leaves_no_record_and_no_gap(store, record):
    async def fail():
        async with store.transaction() as tx:
            await tx.audit.append(record)
            raise RuntimeError

    async with store.transaction() as tx:
        assert await tx.audit.head() == START
        first = await tx.audit.append(record)
    with pytest.raises(RuntimeError):
        await fail()
    async with store.transaction() as tx:
        assert await tx.audit.head() == first.head
        await tx.audit.append(record)
    assert verify(entries := await kept(store)) is None
    assert len(entries) == 2


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET text = '{}' WHERE sequence = 1",
        "UPDATE audit SET notable = NOT notable",
        "DELETE FROM audit WHERE sequence = 2",
        "DELETE FROM audit",
        "INSERT INTO audit VALUES (2, true, '', '', '{}') ON CONFLICT (sequence)"
        " DO UPDATE SET text = '{}'",
        "INSERT INTO audit VALUES (9, true, '', '', '{}')",
        "INSERT INTO audit VALUES (0, true, '', '', '{}')",
    ],
)
async def test_nothing_but_the_next_record_goes_in_and_none_goes_out(store, record, statement):
    async with store.transaction() as tx:
        await tx.audit.append(record)
        await tx.audit.append(record)
    before = await kept(store)

    async def change():
        async with store.transaction() as tx:
            await tx.audit._connection.execute(sa.text(statement))

    with pytest.raises(sa.exc.DBAPIError, match="append-only"):
        await change()
    assert await kept(store) == before


async def test_records_outlive_what_they_are_about(store, world, record):
    operation = await world.operation("stop tiny")
    async with store.transaction() as tx:
        await tx.operations.ended(operation.id, State.SUCCEEDED, "", world.clock.now())
        await tx.audit.append(replace(record, operation=operation.id))
    world.clock.seconds += 100 * 86400
    assert await Pruning(store, world.clock, timedelta(days=90)).prune() == 1
    assert len(await kept(store)) == 1


async def test_newest_first_shows_what_is_notable_or_everything(store, record):
    async with store.transaction() as tx:
        for number in range(6):
            await tx.audit.append(replace(record, notable=number % 2 == 0))

    async def numbers(before, limit, **more):
        async with store.transaction() as tx:
            return [entry.sequence for entry in await tx.audit.before(before, limit, **more)]

    assert await numbers(7, 2, everything=True) == [6, 5]
    assert await numbers(7, 2, everything=False) == [5, 3]
    assert await numbers(3, 9, everything=False) == [1]


async def test_a_notable_record_is_told_with_the_transaction_that_keeps_it(store, record):
    told = []
    store.mirror = Mirror(lambda: "!audit:x", lambda entry: CONTENT, told.append)
    async with store.transaction() as tx:
        await tx.audit.append(replace(record, operation="abcdef"))
        await tx.audit.append(replace(record, notable=False))
        await tx.audit.append(record)
        assert told == [], "not before it is kept"
    keys = ["operation:abcdef:audit:1", "audit:3"]
    assert [(message.key, message.room) for message in told] == [(k, "!audit:x") for k in keys]
    async with store.transaction() as tx:
        assert [message.key for message in await tx.messages.unsaid()] == keys


async def test_what_is_not_kept_is_not_told(store, record):
    told = []
    store.mirror = Mirror(lambda: "!audit:x", lambda entry: CONTENT, told.append)

    async def fail():
        async with store.transaction() as tx:
            await tx.audit.append(record)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()
    async with store.transaction() as tx:
        assert await tx.messages.unsaid() == []
    assert told == []


async def test_without_a_room_there_is_a_record_and_no_message(store, record):
    store.mirror = Mirror(lambda: None, lambda entry: CONTENT, lambda message: None)
    async with store.transaction() as tx:
        await tx.audit.append(record)
        assert await tx.messages.unsaid() == []
    assert len(await kept(store)) == 1


async def test_records_are_read_beside_the_bot_that_holds_the_state(tmp_path, record):
    path = tmp_path / "other.db"
    count = PAGE + 5
    async with aclosing(await Store.open(path)) as store:
        async with store.transaction() as tx:
            for _ in range(count):
                await tx.audit.append(record)
        found = [entry async for entry in records_in(path)]
        assert len(found) == count
        assert verify(found) is None
        async with store.transaction() as tx:
            await tx.audit.append(record)
        assert len([entry async for entry in records_in(path)]) == count + 1


async def test_records_of_an_open_state_come_page_by_page(store, record):
    async with store.transaction() as tx:
        for _ in range(PAGE + 5):
            await tx.audit.append(record)
    found = [entry async for entry in records_of(store)]
    assert (len(found), verify(found)) == (PAGE + 5, None)


async def test_replacing_a_record_is_refused_too(tmp_path, record):
    """SQLite's own way to overwrite a row, which fires no trigger for its deletion."""
    async with aclosing(await Store.open(tmp_path / "other.db")) as store:
        async with store.transaction() as tx:
            await tx.audit.append(record)
        with pytest.raises(sa.exc.IntegrityError, match="append-only"):
            async with store.transaction() as tx:
                await tx.audit._connection.execute(
                    sa.text("REPLACE INTO audit VALUES (1, 1, '', '', '{}')")
                )


async def test_looking_at_a_state_makes_and_changes_nothing(tmp_path):
    path = tmp_path / "a?b#c%20.db"
    with pytest.raises(ConfigError, match="cannot be read"):
        _ = [entry async for entry in records_in(path)]
    assert list(tmp_path.iterdir()) == []
    await (await Store.open(path)).aclose()
    assert [entry async for entry in records_in(path)] == []


async def test_a_state_of_an_older_release_says_that_it_has_no_audit_yet(tmp_path):
    run(tmp_path / "old.db", "CREATE TABLE operations (id)")
    with pytest.raises(ConfigError, match="has no audit yet"):
        _ = [entry async for entry in records_in(tmp_path / "old.db")]


async def test_what_is_no_state_is_said_to_be_none(tmp_path):
    (tmp_path / "x.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(ConfigError, match="not a database"):
        _ = [entry async for entry in records_in(tmp_path / "x.db")]
