"""Which of a transaction's steps leave the event loop."""

import aiosqlite

from fleet.store.at_once import connect
from fleet.store.database import Store


async def test_of_a_transaction_only_the_commit_goes_to_the_thread(tmp_path, monkeypatch):
    store = await Store.open(tmp_path / "gantry.db")
    handed_over = []
    hand_over = aiosqlite.Connection._execute

    async def watched(self, fn, *args, **kwargs):
        handed_over.append(fn.__qualname__)
        return await hand_over(self, fn, *args, **kwargs)

    monkeypatch.setattr(aiosqlite.Connection, "_execute", watched)
    async with store.transaction() as tx:
        await tx.messages.want("a", "!room", {"body": "a"})
        await tx.messages.said("a", "$a", {"body": "a"})
        assert await tx.messages.unsaid() == []
    assert handed_over == ["Connection.commit"]
    await store.aclose()


async def test_a_connection_closes_in_the_thread_that_then_ends(tmp_path):
    connection = await connect(tmp_path / "a.db")
    await connection.close()
    connection._thread.join(5)
    assert not connection._thread.is_alive()
