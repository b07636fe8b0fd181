"""A service that failed when it was first deployed, and is kept nowhere: its log and its end."""

import pytest

from domain.errors import Unhealthy
from tests.fleet.world import spec


async def test_its_log_can_be_read_and_taken_away(desk, world):
    failed = await desk.says("!deploy tiny tiny://crash-loop")
    assert "Nothing of tiny runs; its log is kept." in failed
    assert "tiny-" in await desk.says("!logs tiny")

    removed = await desk.says("!remove tiny")

    assert "✓ tiny is removed, logs included" in removed
    assert (await world.seen()).replicas == ()
    assert "there is no service `tiny`" in await desk.says("!logs tiny")
    assert "there is no service `tiny`" in await desk.says("!remove tiny")


async def test_what_lives_and_is_known_to_nobody_is_left_alone(desk, world):
    """Another bot may have it in its care."""
    await world.change(spec())
    running = await world.running()
    async with world.store.transaction() as tx:
        await tx.services.remove("tiny")

    assert "there is no service `tiny`" in await desk.says("!remove tiny")

    assert await world.running() == running


async def test_what_is_left_on_a_target_of_others_is_theirs_to_take_away(desk, world):
    with pytest.raises(Unhealthy):
        await world.change(spec("tiny://crash-loop", a=0, b=1))

    assert "`b` is not a target of prod" in await desk.says("!remove tiny")

    assert (await world.seen("b")).replicas
