"""What was said in a thread, on a real database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from fleet.store.turns import KeptTurn

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def turn(operation, root, text, role="user"):
    return KeptTurn(operation, root, "tiny", role, text, NOON)


BEGAN = [turn("a", "$ask", "hello"), turn("a", "$ask", "hi", "assistant")]
NEXT = [turn("b", "$answer", "more"), turn("b", "$answer", "yes", "assistant")]


async def test_a_thread_has_what_opened_it_and_what_was_said_in_it(store):
    other = turn("c", "$ask", "in the thread on the question")
    async with store.transaction() as tx:
        await tx.turns.keep(BEGAN)
        await tx.turns.keep(NEXT)
        await tx.turns.keep([other])
        assert await tx.turns.of("$answer", "a") == [*BEGAN, *NEXT]
        assert await tx.turns.of("$ask", "a") == [*BEGAN, other]
        assert await tx.turns.of("$nothing", "x") == []


async def test_an_operation_that_ran_again_is_said_once(store):
    again = replace(BEGAN[1], text="hi there")
    async with store.transaction() as tx:
        await tx.turns.keep(BEGAN)
        await tx.turns.keep([BEGAN[0], again])
        assert await tx.turns.of("$ask", "a") == [BEGAN[0], again]


async def test_old_turns_are_forgotten(store):
    async with store.transaction() as tx:
        await tx.turns.keep(BEGAN)
        await tx.turns.drop_before(NOON)
        assert await tx.turns.of("$ask", "a") == BEGAN
        await tx.turns.drop_before(NOON + timedelta(seconds=1))
        assert await tx.turns.of("$ask", "a") == []
