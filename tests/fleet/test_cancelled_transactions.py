"""Statements run where they are made and whole, whatever is cancelled meanwhile."""

import asyncio
import threading

import pytest


async def keep(store, key):
    async with store.transaction() as tx:
        await tx.messages.want(key, "!room", {"body": "1"})
        await tx.messages.want(f"{key} too", "!room", {"body": "2"})


@pytest.mark.parametrize("moment", [n / 10_000 for n in range(0, 40, 2)])
async def test_cancelled_at_any_moment_all_or_nothing_is_kept_and_the_next_may_go_on(store, moment):
    task = asyncio.create_task(keep(store, "cut"))
    await asyncio.sleep(moment)
    task.cancel()
    await asyncio.wait([task])
    async with asyncio.timeout(2):
        await keep(store, "next")
    async with store.transaction() as tx:
        kept = {message.key for message in await tx.messages.unsaid()}
    assert kept in ({"next", "next too"}, {"next", "next too", "cut", "cut too"})


async def test_statements_run_where_they_are_made(file):
    """Handing each to a thread and back costs ten times what SQLite itself needs."""
    async with file.transaction() as tx:
        connection = await tx.services._connection.get_raw_connection()
        made_in = []
        connection.driver_connection._connection.create_function(
            "here", 0, lambda: made_in.append(threading.current_thread()) or 1
        )
        await tx.services._connection.exec_driver_sql("SELECT here()")
    assert made_in == [threading.current_thread()]
