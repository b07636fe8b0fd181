"""A task may be cancelled while it keeps something: the store is none the worse for it."""

import asyncio

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
