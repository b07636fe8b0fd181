"""Leaving things alone: who wants that, why, and until when."""

from dataclasses import replace

import pytest

from .homeserver import ANN
from .test_worker import BOB


@pytest.fixture
async def tiny(desk):
    await desk.says("!deploy tiny tiny://ops")


@pytest.mark.parametrize("scope", ["tiny", "a", "all"])
async def test_what_is_locked_is_left_alone_with_the_reason(desk, world, tiny, scope):
    told = await desk.says(f'!lock {scope} --reason "demo at three" --for 2h')
    shown = "all of prod" if scope == "all" else scope
    assert told.startswith(f"✓ {shown} is locked by {ANN} since ")
    assert "demo at three" in told
    assert "✓ tiny is live" in await desk.says("!restart tiny")
    await hand_over(world)
    for command in ("!scale tiny 2", "!restart tiny", "!remove tiny", "!stop tiny"):
        refused = await desk.says(command)
        assert f"{shown} is locked by {BOB}" in refused
        assert "demo at three" in refused
        assert "until" in refused
    assert len(await world.running()) == 1


async def test_a_locked_target_takes_nothing_new(desk, world):
    await desk.says("!lock a")
    await hand_over(world)
    assert "a is locked by" in await desk.says("!deploy new tiny://ops")
    assert (await world.seen(name="new")).replicas == ()


async def test_another_service_goes_on(desk, world, tiny):
    await desk.says("!lock tiny")
    await hand_over(world)
    assert "✓ other is live" in await desk.says("!deploy other tiny://ops")


async def test_a_plan_may_be_had_all_the_same(desk, world, tiny):
    await desk.says("!lock tiny")
    await hand_over(world)
    assert "replicas on a: `1` → `2`" in await desk.says("!scale tiny 2 --plan")


async def test_unlocked_it_can_be_changed_again(desk, world, tiny):
    await desk.says("!lock tiny")
    assert await desk.says("!locks", sender=BOB) != "Nothing is locked"
    assert await desk.says("!unlock tiny") == "✓ tiny is unlocked"
    assert await desk.says("!unlock tiny") == "tiny was not locked"
    assert await desk.says("!locks") == "Nothing is locked"
    assert "2 replicas" in await desk.says("!scale tiny 2")


async def test_a_lock_ends_by_itself(desk, world, tiny):
    await desk.says("!lock tiny --for 30m")
    await hand_over(world)
    world.clock.passes(1799)
    assert "is locked by" in await desk.says("!scale tiny 2")
    world.clock.passes(1800)
    assert "2 replicas" in await desk.says("!scale tiny 2")


async def test_a_lock_outlives_a_restart(desk, world, tiny):
    await desk.says("!lock tiny")
    await hand_over(world)
    await desk.restart()
    assert "tiny is locked by" in await desk.says("!scale tiny 2")


async def test_somebody_elses_lock_is_taken_only_in_the_open(desk, world, tiny):
    await desk.says("!lock tiny --reason mine")
    await hand_over(world)
    assert f"tiny is locked by {BOB}" in await desk.says("!lock tiny")
    told = await desk.says("!unlock tiny")
    assert told == f"✓ tiny is unlocked by {ANN}; it was {BOB}'s (mine)"


async def test_the_keeper_repairs_what_is_locked(desk, world, tiny):
    await desk.says("!lock all")
    await hand_over(world)
    assert "tiny needed no repair" in await desk.says("!repair tiny")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("!lock nothing", "`nothing` is neither a service nor a target"),
        ("!lock b", "is not a target of prod"),
        ("!lock tiny --for 0m", "is no time; write `30m`"),
        ("!lock tiny --for ever", "is no time; write `30m`"),
        ("!lock tiny --for 9999d", "at most 366d"),
        ("!lock", "`lock` needs a SCOPE"),
    ],
)
async def test_what_cannot_be_locked_is_said_to_be_so(desk, tiny, command, told):
    assert told in await desk.says(command)
    assert await desk.says("!locks") == "Nothing is locked"


async def test_locking_takes_an_operator(desk, tiny):
    for command in ("!lock tiny", "!unlock tiny"):
        assert "takes the role operator" in await desk.says(command, sender=BOB)


async def hand_over(world):
    """Make every lock somebody else's."""
    async with world.store.transaction() as tx:
        for lock in await tx.locks.active(world.clock.now()):
            await tx.locks.put(replace(lock, holder=BOB))
