"""A room that was upgraded stays so, and what was wanted from it is wanted from the new one."""

from datetime import UTC, datetime, timedelta

from fleet.store.services import Wanted

from .world import ROOM, spec

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_successors_are_kept_in_the_order_they_were_followed(store):
    async with store.transaction() as tx:
        await tx.rooms.succeeded("!b", "!c", NOON + timedelta(seconds=1))
        await tx.rooms.succeeded("!a", "!b", NOON)
        await tx.rooms.succeeded("!a", "!z", NOON)
    async with store.transaction() as tx:
        assert list((await tx.rooms.successors()).items()) == [("!a", "!b"), ("!b", "!c")]


async def test_services_of_a_room_go_along(store):
    """The keeper tells of its repairs where the service is wanted from."""
    async with store.transaction() as tx:
        await tx.services.put(Wanted(spec(name="here"), ROOM, "o1", NOON))
        await tx.services.put(Wanted(spec(name="there"), "!other", "o2", NOON))
        await tx.rooms.succeeded(ROOM, "!new", NOON)
        assert {each.spec.name: each.room for each in await tx.services.all()} == {
            "here": "!new",
            "there": "!other",
        }


async def test_a_state_that_can_be_used_has_no_flaw(store):
    assert await store.flaw() == ""
