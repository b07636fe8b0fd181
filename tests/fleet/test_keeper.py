"""Keeping what should run running: adopting, repairing, giving up, forgiving."""

import asyncio
from contextlib import AsyncExitStack

import pytest
from structlog.testing import capture_logs

from domain.errors import Unreachable
from domain.operations import State
from domain.plans import Fingerprint, Plan, Step, StepKind
from domain.replicas import ReplicaId
from fleet.keeper import ATTEMPTS, FIRST_WAIT, LONGEST_WAIT, SENDER, Keeper, Patience
from fleet.store.services import Wanted

from .world import ROOM, spec, until

TINY = spec("tiny://ops")


class Watch:
    """A keeper and what it asked for."""

    def __init__(self, world):
        self.world, self.filed = world, []
        self.keeper = Keeper(world.store, world.fleet, self._file, world.clock, every=10)

    async def _file(self, operation):
        async with self.world.store.transaction() as tx:
            assert await tx.operations.file([operation]) == [operation]
        self.filed.append(operation)

    async def look(self):
        await self.keeper.look()
        return len(self.filed)

    async def ends(self, operation, state=State.FAILED):
        async with self.world.store.transaction() as tx:
            await tx.operations.ended(operation.id, state, "", self.world.clock.now())


@pytest.fixture
async def watch(world):
    """One service with two replicas, up."""
    await world.change(TINY.scaled(2))
    async with world.store.transaction() as tx:
        for operation in await tx.operations.unended():
            await tx.operations.ended(operation.id, State.SUCCEEDED, "", world.clock.now())
    return Watch(world)


async def lose(world, ordinal=0, target="a"):
    """A replica goes away behind the bot's back."""
    seen = await world.seen(target)
    replica = ReplicaId("tiny", TINY.revision, ordinal)
    step = Step(StepKind.STOP, replica)
    plan = Plan("accident", target, TINY.scaled(2), (step,), Fingerprint.of(seen))
    await world.deployers[target].apply(plan, lambda news: None)


async def test_a_fleet_that_is_well_is_left_alone(watch):
    for _ in range(3):
        assert await watch.look() == 0


async def test_a_restarted_bot_adopts_what_runs(watch, world):
    """Its routing table is empty; the targets know."""
    asked = world.asked()
    world.new_fleet()
    assert world.asked() == []
    await Watch(world).look()
    assert world.asked() == asked != []


async def test_only_the_revision_that_is_wanted_is_adopted(watch, world):
    async with world.store.transaction() as tx:
        await tx.services.put(Wanted(spec("tiny://other", a=2), ROOM, "op", world.clock.now()))
    world.new_fleet()
    await Watch(world).look()
    assert world.asked() == []


async def test_a_lost_replica_is_asked_no_more_and_its_repair_is_asked_for_once(watch, world):
    await lose(world)
    assert await watch.look() == 1
    assert world.asked() == [f"tiny-{TINY.revision}-1"]
    repair = watch.filed[0]
    assert (repair.text, repair.sender, repair.room) == ("repair tiny", SENDER, ROOM)
    assert (repair.changes, repair.service, repair.state) == (True, "tiny", State.FILED)
    world.clock.seconds += 3600
    assert await watch.look() == 1


async def test_what_the_keeper_asks_for_mends_it(watch, world):
    await lose(world)
    await watch.look()
    outcome = await world.fleet.change(
        "tiny",
        watch.filed[0],
        lambda before: before,
        world.asking(watch.filed[0]),
        print_nothing,
    )
    assert outcome.changed
    assert len(await world.running()) == len(world.asked()) == 2


def print_nothing(news):
    pass


async def test_repairs_that_fail_come_ever_more_rarely_and_end(watch, world):
    await lose(world)
    waits, last = [], 0.0
    while len(waits) < ATTEMPTS and world.clock.seconds < 10**5:
        if await watch.look() > len(waits):
            waits.append(world.clock.seconds - last)
            last = world.clock.seconds
            await watch.ends(watch.filed[-1])
        world.clock.seconds += 1
    assert waits[1:] == [FIRST_WAIT * 2**n for n in range(ATTEMPTS - 1)]
    for _ in range(50):
        world.clock.seconds += 3600
        assert await watch.look() == ATTEMPTS


async def test_a_repair_that_lasts_is_forgiven(watch, world):
    await lose(world)
    await watch.look()
    await world.fleet.change(
        "tiny",
        watch.filed[0],
        lambda before: before,
        world.asking(watch.filed[0]),
        print_nothing,
    )
    await watch.ends(watch.filed[0], State.SUCCEEDED)
    await watch.look()
    world.clock.seconds += FIRST_WAIT + LONGEST_WAIT
    await watch.look()
    await lose(world)
    assert await watch.look() == 2
    await watch.ends(watch.filed[1])
    world.clock.seconds += FIRST_WAIT
    assert await watch.look() == 3


async def test_a_service_somebody_is_changing_is_left_to_them(watch, world):
    await lose(world)
    operation = await world.operation("deploy tiny elsewhere")
    assert await watch.look() == 0
    await watch.ends(operation)
    assert await watch.look() == 1


async def test_what_is_changed_while_the_keeper_looks_is_not_taken_for_broken(
    watch, world, monkeypatch
):
    """With many services, or a slow target, a look takes its time."""
    observe, meanwhile = world.deployers["a"].observe, [TINY]

    async def slowly(service):
        if meanwhile:
            await world.change(meanwhile.pop(), "scale tiny 1")
        return await observe(service)

    monkeypatch.setattr(world.deployers["a"], "observe", slowly)
    assert await watch.look() == 0
    assert await world.wanted() == TINY
    assert len(await world.running()) == 1


async def test_a_target_that_cannot_be_looked_at_loses_nothing(watch, world, monkeypatch):
    """A network that is down for a moment must not take healthy replicas out of service."""

    async def away(service):
        raise Unreachable("a does not answer")

    asked = world.asked()
    monkeypatch.setattr(world.deployers["a"], "observe", away)
    for _ in range(3):
        assert await watch.look() == 0
    assert world.asked() == asked


async def test_one_silent_target_does_not_keep_the_keeper_from_the_others(watch, world):
    async with world.store.transaction() as tx:
        for name, target in (("another", "mars"), ("zebra", "b")):
            wanted = Wanted(spec(name=name, **{target: 1}), ROOM, "op", world.clock.now())
            await tx.services.put(wanted)
    assert await watch.look() == 1
    assert watch.filed[0].text == "repair zebra"


async def test_a_stopped_service_needs_no_repair(watch, world):
    await world.change(TINY.scaled(0), "stop tiny")
    await watch.ends(await world.operation("stop tiny"))
    assert await watch.look() == 0


def test_patience_doubles_to_its_limit():
    patience, now, waits = Patience(), 0.0, []
    for _ in range(8):
        patience = patience.after_attempt(now)
        waits.append(patience.not_before - now)
    assert waits == [10, 20, 40, 80, 160, 320, 600, 600]
    assert patience.attempts == 8


def test_patience_allows_at_its_time_and_ends_after_enough_attempts():
    assert Patience().allows(0)
    assert not Patience(1, 10).allows(9.9)
    assert Patience(1, 10).allows(10)
    assert not Patience(ATTEMPTS, 0).allows(10**6)


def test_a_repair_has_outlived_doubt_after_the_longest_wait():
    assert not Patience(1, 10).outlived(10 + LONGEST_WAIT - 1)
    assert Patience(1, 10).outlived(10 + LONGEST_WAIT)
    assert not Patience().outlived(10**6)


@pytest.fixture
def hanging(world, monkeypatch):
    """Target `a` hangs until it is let go."""
    observe, let_go = world.deployers["a"].observe, asyncio.Event()

    async def hangs(service):
        await let_go.wait()
        return await observe(service)

    monkeypatch.setattr(world.deployers["a"], "observe", hangs)
    return let_go


async def test_a_target_that_hangs_does_not_keep_the_others_waiting(watch, world, hanging):
    """Round after round, while the look at it is still under way."""
    async with world.store.transaction() as tx:
        wanted = Wanted(spec(name="zebra", b=1), ROOM, "op", world.clock.now())
        await tx.services.put(wanted)
    world.clock.flows = False
    running = asyncio.create_task(watch.keeper.run())
    await until(lambda: watch.filed)
    await watch.ends(watch.filed[0])
    world.clock.passes(FIRST_WAIT + 10)
    await until(lambda: len(watch.filed) == 2)
    assert {each.text for each in watch.filed} == {"repair zebra"}
    assert len([task for task in asyncio.all_tasks() if task.get_name() == "keep a"]) == 1
    running.cancel()
    await asyncio.wait([running])
    hanging.set()


async def test_a_service_on_two_targets_is_reached_on_the_one_that_answers(
    watch, world, monkeypatch
):
    await world.change(spec(name="wide", a=1, b=1), "deploy wide")

    async def away(service):
        raise Unreachable("a does not answer")

    monkeypatch.setattr(world.deployers["a"], "observe", away)
    world.new_fleet()
    await Watch(world).look()
    assert world.asked("wide") == [f"wide-{spec(name='wide').revision}-0"]


@pytest.fixture
async def crowd(watch, world):
    """Twenty services on `a` and `b` besides, all well, and what `a` and `b` are asked."""
    for number in range(20):
        name = f"s{number:02}"
        await world.change(spec(name=name, a=1, b=1), name)
        await watch.ends(await world.operation(name))
    world.new_fleet()
    return [f"s{number:02}" for number in range(20)]


def counted(monkeypatch, deployer):
    """The looks that are made at a target from now on."""
    looks, observe = [], deployer.observe

    async def one(service):
        looks.append(service)
        return await observe(service)

    async def many(services):
        looks.append(sorted(services))
        return {service: await observe(service) for service in services}

    monkeypatch.setattr(deployer, "observe", one)
    monkeypatch.setattr(deployer, "observe_all", many)
    return looks


async def test_many_services_are_kept_by_one_look(crowd, world, monkeypatch):
    looks = {name: counted(monkeypatch, each) for name, each in world.deployers.items()}
    assert await Watch(world).look() == 0
    assert looks == {"a": [crowd, "tiny"], "b": [crowd]}
    for name in crowd:
        assert len(world.asked(name)) == 2


async def lose_s07(world):
    seen = await world.seen("b", "s07")
    step = Step(StepKind.STOP, seen.replicas[0].id)
    plan = Plan("accident", "b", spec(name="s07", a=1, b=1), (step,), Fingerprint.of(seen))
    await world.deployers["b"].apply(plan, lambda news: None)


async def test_what_is_lost_among_many_is_found_and_only_that(crowd, world):
    watch = Watch(world)
    await watch.look()
    await lose_s07(world)
    assert await watch.look() == 1
    assert watch.filed[0].text == "repair s07"
    assert [len(world.asked(name)) for name in crowd] == [2] * 7 + [1] + [2] * 12


async def test_where_one_target_is_away_the_other_is_still_looked_at(crowd, world, monkeypatch):
    async def away(services):
        raise Unreachable("b does not answer")

    watch = Watch(world)
    await watch.look()
    for verb in ("observe", "observe_all"):
        monkeypatch.setattr(world.deployers["b"], verb, away)
    world.new_fleet()
    watch = Watch(world)
    assert await watch.look() == 0
    assert [len(world.asked(name)) for name in crowd] == [1] * 20


async def test_what_somebody_began_to_change_while_many_were_looked_at_is_left_to_him(
    crowd, world, monkeypatch
):
    """What was seen of it is of before."""
    watch, operation = Watch(world), await world.operation("deploy s07")
    await watch.look()
    await watch.ends(operation)
    await lose_s07(world)
    observe_all = world.deployers["b"].observe_all
    async with AsyncExitStack() as stack:

        async def meanwhile(services):
            claim = world.fleet.survey._claims.on("s07", operation, print_nothing)
            await stack.enter_async_context(claim)
            return await observe_all(services)

        monkeypatch.setattr(world.deployers["b"], "observe_all", meanwhile)
        assert await watch.look() == 0
        assert len(world.asked("s07")) == 2
    monkeypatch.setattr(world.deployers["b"], "observe_all", observe_all)
    assert await watch.look() == 1
    assert len(world.asked("s07")) == 1


async def test_that_a_service_cannot_be_looked_at_is_logged_once(watch, world, monkeypatch):
    observe = world.deployers["a"].observe

    async def away(service):
        raise Unreachable("a does not answer")

    with capture_logs() as logged:
        monkeypatch.setattr(world.deployers["a"], "observe", away)
        for _ in range(3):
            await watch.look()
        monkeypatch.setattr(world.deployers["a"], "observe", observe)
        for _ in range(3):
            await watch.look()
    assert [each["event"] for each in logged] == ["cannot look", "can look again"]


async def test_a_bug_in_a_look_ends_the_keeper(watch, world, monkeypatch):
    """Whoever runs it is to know."""

    async def bug(service):
        raise RuntimeError("a bug")

    monkeypatch.setattr(world.deployers["a"], "observe", bug)
    with pytest.raises(RuntimeError, match="a bug"):
        async with asyncio.timeout(10):
            await watch.keeper.run()
