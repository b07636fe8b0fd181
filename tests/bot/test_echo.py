"""What a bot that takes over learns from its own words, said by the one before."""

import pytest

from bot.echo import Echo
from bot.matrix.content import notice, transaction_id
from bot.matrix.slots import first_parts

from .homeserver import ROOM


async def kept(store, key):
    async with store.transaction() as tx:
        return await tx.messages.get(key)


@pytest.mark.parametrize("attempts", [0, 1])
async def test_a_message_that_was_heard_is_not_said_again(store, attempts):
    """One that was said in the clear and is said again, encrypted, is another event."""
    async with store.transaction() as tx:
        await tx.messages.want("operation:k3x9ab", ROOM, notice("pong"))
        for _ in range(attempts):
            await tx.messages.anew("operation:k3x9ab", whole=True)
    echo = Echo()
    echo.hear([(transaction_id(*first_parts("operation:k3x9ab", n)), f"$e{n}") for n in (0, 1)])
    async with store.transaction() as tx:
        assert await echo.note(tx) == {"operation:k3x9ab": f"$e{attempts}"}
    assert (await kept(store, "operation:k3x9ab")).event_id == f"$e{attempts}"


async def test_what_somebody_else_might_have_said_changes_nothing(store):
    async with store.transaction() as tx:
        await tx.messages.want("operation:k3x9ab", ROOM, notice("pong"))
    echo = Echo()
    echo.hear([("gantry-another", "$e")])
    async with store.transaction() as tx:
        assert await echo.note(tx) == {}
    assert (await kept(store, "operation:k3x9ab")).event_id is None


async def test_of_two_events_under_one_transaction_the_first_counts(store):
    async with store.transaction() as tx:
        await tx.messages.want("notice", ROOM, notice("welcome"))
    echo = Echo()
    echo.hear([(transaction_id("notice"), "$first"), (transaction_id("notice"), "$second")])
    async with store.transaction() as tx:
        assert await echo.note(tx) == {"notice": "$first"}
