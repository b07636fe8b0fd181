"""Operations, messages, services and positions, on a real database."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from domain.operations import State, operation_id
from fleet.store.messages import Message
from fleet.store.positions import Position
from fleet.store.services import Wanted

from .world import ANN, ROOM, filed, spec

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ONE, TWO, THREE = (filed(text, NOON) for text in ("one", "two", "three"))


async def test_what_is_new_is_kept_in_order_and_what_was_seen_is_not_kept_again(store):
    async with store.transaction() as tx:
        assert await tx.operations.file([ONE, TWO, ONE]) == [ONE, TWO]
    async with store.transaction() as tx:
        assert await tx.operations.file([TWO, THREE]) == [THREE]
        assert await tx.operations.unended() == [ONE, TWO, THREE]


async def test_filing_is_all_or_nothing(store):
    """A sync answer is filed as a whole or read again as a whole."""

    async def file_two():
        async with store.transaction() as tx:
            await tx.operations.file([ONE, replace(TWO, room=None)])

    with pytest.raises(Exception, match=r"(?i)not.null"):
        await file_two()
    async with store.transaction() as tx:
        assert await tx.operations.unended() == []
        assert await tx.operations.file([ONE]) == [ONE]


async def test_an_id_somebody_else_has_already_grows_by_a_letter(store):
    other = replace(TWO, id=ONE.id)
    third = replace(THREE, id=ONE.id)
    async with store.transaction() as tx:
        kept = await tx.operations.file([ONE, other, third])
        assert [each.id for each in kept] == [
            ONE.id,
            operation_id(TWO.origin, 7),
            operation_id(THREE.origin, 7),
        ]
        assert await tx.operations.get(operation_id(TWO.origin, 7)) == kept[1]


async def test_an_operation_comes_back_as_it_was_filed(store):
    odd = replace(ONE, text="infer tiny <b>\n🦀 'x' \x01", said_at=NOON)
    async with store.transaction() as tx:
        await tx.operations.file([odd])
        assert await tx.operations.get(odd.id) == odd
        assert await tx.operations.get("nobody") is None


async def test_moments_come_back_in_utc_whatever_zone_they_were_in(store):
    here = datetime(2026, 1, 1, 13, tzinfo=timezone(timedelta(hours=1)))
    async with store.transaction() as tx:
        await tx.operations.file([replace(ONE, said_at=here)])
        kept = await tx.operations.get(ONE.id)
    assert kept.said_at == NOON
    assert kept.said_at.utcoffset() == timedelta(0)


async def test_an_operation_starts_once_and_ends(store):
    later, end = NOON + timedelta(minutes=1), NOON + timedelta(minutes=2)
    async with store.transaction() as tx:
        await tx.operations.file([ONE, TWO])
        await tx.operations.started(ONE.id, "tiny", NOON)
        await tx.operations.started(ONE.id, "tiny", later)
        assert (await tx.operations.get(ONE.id)).started_at == NOON
        await tx.operations.ended(ONE.id, State.FAILED, "it broke", end)
        assert await tx.operations.get(ONE.id) == replace(
            ONE,
            state=State.FAILED,
            service="tiny",
            summary="it broke",
            started_at=NOON,
            ended_at=end,
        )
        assert await tx.operations.unended() == [TWO]


async def test_recent_changes_come_newest_first_without_the_talk(store):
    talk = replace(TWO, changes=False)
    async with store.transaction() as tx:
        await tx.operations.file([ONE, talk, THREE])
        assert await tx.operations.recent(10) == [THREE, ONE]
        assert await tx.operations.recent(1) == [THREE]


async def test_the_first_to_cancel_counts(store):
    async with store.transaction() as tx:
        await tx.operations.file([ONE])
        assert await tx.operations.cancelled_by(ONE.id) is None
        await tx.operations.cancel(ONE.id, ANN)
        await tx.operations.cancel(ONE.id, "@bob:example.org")
        assert await tx.operations.cancelled_by(ONE.id) == ANN


async def test_what_was_planned_is_kept_for_the_next_run(store):
    async with store.transaction() as tx:
        await tx.operations.file([ONE])
        assert await tx.operations.rollout(ONE.id) is None
        await tx.operations.keep_rollout(ONE.id, "{}")
        assert await tx.operations.rollout(ONE.id) == "{}"


WORKING, DONE = {"body": "working"}, {"body": "done"}


async def test_a_message_is_posted_as_first_wanted_and_unsaid_until_it_says_the_last(store):
    async with store.transaction() as tx:
        assert await tx.messages.want("k", ROOM, WORKING) == Message("k", ROOM, WORKING, WORKING)
        assert await tx.messages.want("k", ROOM, DONE) == Message("k", ROOM, WORKING, DONE)
        await tx.messages.said("k", "$1", None)
        assert await tx.messages.unsaid() == [Message("k", ROOM, WORKING, DONE, "$1")]
        await tx.messages.said("k", "$1", WORKING)
        assert len(await tx.messages.unsaid()) == 1
        await tx.messages.said("k", "$1", DONE)
        assert await tx.messages.unsaid() == []
        assert await tx.messages.get("k") == Message("k", ROOM, WORKING, DONE, "$1")


async def test_a_message_that_should_say_more_is_unsaid_again(store):
    async with store.transaction() as tx:
        await tx.messages.want("k", ROOM, WORKING)
        await tx.messages.said("k", "$1", WORKING)
        await tx.messages.want("k", ROOM, DONE)
        assert await tx.messages.unsaid() == [Message("k", ROOM, WORKING, DONE, "$1")]


async def test_a_message_given_up_is_not_tried_again_nor_revived_by_a_late_answer(store):
    async with store.transaction() as tx:
        await tx.messages.want("k", ROOM, WORKING)
        await tx.messages.give_up("k")
        await tx.messages.said("k", "$1", None)
        assert await tx.messages.unsaid() == []


async def test_unsaid_messages_come_oldest_first(store):
    async with store.transaction() as tx:
        for key in ("c", "a", "b"):
            await tx.messages.want(key, ROOM, WORKING)
        await tx.messages.want("c", ROOM, DONE)
        assert [message.key for message in await tx.messages.unsaid()] == ["c", "a", "b"]
        assert await tx.messages.get("nobody") is None


async def test_a_service_is_what_was_last_wanted_and_its_revisions_are_history(store):
    first, second = spec("tiny://one"), spec("tiny://two")
    async with store.transaction() as tx:
        for number, each in enumerate([first, first.scaled(3), second, first]):
            await tx.services.put(Wanted(each, ROOM, f"op{number}", NOON))
        assert await tx.services.get("tiny") == Wanted(first, ROOM, "op3", NOON)
        assert await tx.services.all() == [Wanted(first, ROOM, "op3", NOON)]
        await tx.services.remove("tiny")
        assert await tx.services.get("tiny") is None
        rows = await tx.services._connection.exec_driver_sql(
            "SELECT number, revision, operation FROM revisions ORDER BY number"
        )
        assert [tuple(row) for row in rows] == [
            (1, first.revision, "op0"),
            (2, second.revision, "op2"),
            (3, first.revision, "op3"),
        ]


async def test_a_position_is_kept_and_moves_on_without_showing_its_token(store):
    me = "@gantry:example.org"
    kept = Position(me, "DEVICE", "syt_secret", None)
    alone = not store._instance
    async with store.transaction() as tx:
        assert await tx.positions.get(me) == Position(me)
        await tx.positions.put(kept)
        await tx.positions.reached(me, "s1")
        reached = replace(kept, token="s1", fetched=None if alone else "s1")
        assert await tx.positions.get(me) == reached
        await tx.positions.put(replace(kept, token="s1", access_token=None))
        assert (await tx.positions.get(me)).access_token is None
    assert "syt_secret" not in repr(kept)


async def test_transactions_queue_up_and_survive_those_who_gave_up_waiting(store):
    """Live replies are cancelled at any moment, also half-way through a transaction."""

    async def want(key):
        async with store.transaction() as tx:
            await tx.messages.want(key, ROOM, WORKING)

    for turns in range(12):
        task = asyncio.create_task(want(f"cancelled {turns}"))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
    await asyncio.gather(*(want(f"kept {n}") for n in range(12)))
    async with store.transaction() as tx:
        keys = {message.key for message in await tx.messages.unsaid()}
    assert {f"kept {n}" for n in range(12)} <= keys
