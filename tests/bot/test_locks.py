"""Leaving things alone: who wants that, why, and until when."""

import asyncio
from dataclasses import replace

import pytest

from bot.matrix.live_reply import PATIENCE
from domain.operations import KEEPER, State, operation_id
from fleet.errands import errand
from tests.fleet.world import until

from . import desk as desk_module
from .desk import Desk
from .homeserver import ANN, OTHER, ROOM
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
    assert told.splitlines()[0] == f"✓ tiny is unlocked by {ANN}; it was {BOB}'s (mine)"


async def test_the_keeper_repairs_what_is_locked(desk, world, tiny):
    await desk.says("!lock all")
    await hand_over(world)
    async with world.store.transaction() as tx:
        wanted = await tx.services.get("tiny")
    await desk.intake.file_own(made := errand(KEEPER, "repair", wanted, world.clock.now()))
    assert (await desk.ends(made.id)).summary == "✓ tiny needed no repair"
    assert f"all of prod is locked by {BOB}" in await desk.says("!repair tiny")


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


async def hand_over(world, **more):
    """Make every lock somebody else's."""
    async with world.store.transaction() as tx:
        for lock in await tx.locks.active(world.clock.now()):
            await tx.locks.put(replace(lock, holder=BOB, **more))


async def test_taking_somebodys_lock_over_is_told_to_them_where_they_took_it(
    desk, world, homeserver, tiny
):
    await desk.says("!lock tiny --reason mine --for 2h")
    await hand_over(world, room=OTHER)
    refused = await desk.says("!lock tiny --reason demo")
    assert "`!lock tiny --steal` takes it from them" in refused
    told = await desk.says("!lock tiny --reason demo --steal")
    assert told.startswith(f"✓ tiny is locked by {ANN} since ")
    assert f"It was {BOB}'s since 01 Jan 00:00 UTC until 01 Jan 02:00 UTC: mine" in told
    ((_, _, content),) = (each for each in homeserver.events.values() if each[1] == OTHER)
    assert content["body"] == f"{BOB}: {ANN} took your lock of tiny over: demo"
    assert (content["msgtype"], content["m.mentions"]) == ("m.text", {"user_ids": [BOB]})
    assert "m.relates_to" not in content
    (held,) = (await desk.says("!locks")).splitlines()
    assert ANN in held
    assert BOB not in held
    assert (await desk.operation(operation_id("$4"))).text == "lock tiny --reason demo --steal"


async def test_ending_somebodys_lock_is_told_to_them_as_well(desk, world, homeserver, tiny):
    await desk.says("!lock tiny")
    await hand_over(world, room=None)
    await desk.says("!unlock tiny")
    assert homeserver.shown()[-1] == f"{BOB}: {ANN} ended your lock of tiny"


async def test_there_is_nothing_to_steal_from_oneself_or_nobody(desk, homeserver, tiny):
    for _ in range(2):
        assert await desk.says("!lock tiny --steal")
    assert all(not content["m.mentions"] for _, _, content in homeserver.events.values())


async def test_a_lock_is_told_where_the_room_goes_on(desk, world, homeserver, tiny):
    await desk.says("!lock tiny")
    await hand_over(world, room="!old:x")
    desk.deps.rooms.succeeded("!old:x", OTHER)
    await desk.says("!lock tiny --steal")
    assert homeserver.shown(OTHER) == [f"{BOB}: {ANN} took your lock of tiny over"]


async def test_stealing_takes_an_operator(desk, world, tiny):
    await desk.says("!lock tiny")
    assert "takes the role operator" in await desk.says("!lock tiny --steal", sender=BOB)


async def test_what_is_being_changed_is_listed_with_who_changes_it(desk, world, tiny):
    await desk.says("!lock a")
    world.clock.flows = False
    name = await desk.hears("!restart tiny")
    await until(lambda: len(world.fleet.survey.claims) == 2)
    listing = await desk.hears("!locks", sender=BOB)
    async with asyncio.timeout(10):
        while not (ended := await desk.operation(listing)).state.ended:
            await asyncio.sleep(0.001)
    assert ended.summary.startswith(f"a is locked by {ANN}")
    world.clock.flow()
    await desk.ends(name)
    shown = next(body for body in desk.homeserver.shown() if "is being changed" in body)
    line = f"tiny is being changed by {ANN} since 01 Jan 00:00 UTC until that ends: "
    assert f"{line}`{name}` (restart tiny)" in shown
    line = f"nothing else is started on a: {ANN} does since 01 Jan 00:00 UTC until that ends: "
    assert f"{line}`{name}` (restart tiny)" in shown
    assert "is being changed" not in await desk.says("!locks")


async def test_of_two_rooms_that_change_one_service_one_is_told_to_wait(
    world, homeserver, start, monkeypatch
):
    both = replace(desk_module.POLICY, rooms={ROOM: desk_module.PROD, OTHER: desk_module.PROD})
    monkeypatch.setattr(desk_module, "POLICY", both)
    desk = Desk(world, homeserver, start)
    world.clock.flows = False
    first = await desk.hears("!deploy tiny tiny://ops")
    await until(lambda: world.clock.waiting >= 2)
    second = await desk.hears("!deploy tiny tiny://other", room=OTHER)
    await until(lambda: world.clock.waiting >= 3)  # who answers the second waits to say so, too
    world.clock.passes(PATIENCE)
    await until(lambda: homeserver.shown(OTHER))
    (told,) = homeserver.shown(OTHER)
    assert f"wait for {first} of {ANN} to finish with tiny" in told
    world.clock.flow()
    assert (await desk.ends(first)).state is State.SUCCEEDED
    assert (await desk.ends(second)).state is State.SUCCEEDED
    assert str((await world.wanted()).source) == "tiny://other"
    await desk.crash()
