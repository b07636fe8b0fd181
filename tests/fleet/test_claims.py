"""Whose turn it is on a target: what starts something has it to itself, what stops never waits."""

import asyncio
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.decisions import Approval, Vote
from domain.errors import Cancelled, Unhealthy, WorldChanged
from domain.fit import Need
from domain.plans import StepKind
from domain.terms import Terms
from fleet.cancellations import Cancellations
from fleet.claims import Claims, Scope

from .world import ANN, Time, filed, spec, until

TINY, GEMMA = spec(), spec(name="gemma")


class Watched:
    """A target that notes what is asked of it, and holds one service up at one kind of step."""

    def __init__(self, real, held=(None, None)):
        self._real, self._held = real, held
        self.capabilities = real.capabilities
        self.reached, self.let_go = asyncio.Event(), asyncio.Event()
        self.applied = []

    def __getattr__(self, name):
        return getattr(self._real, name)

    async def apply(self, plan, report):
        (step,) = plan.steps
        self.applied.append((plan.want.name, step.kind))
        if self._held == (plan.want.name, step.kind):
            self.reached.set()
            await self.let_go.wait()
        await self._real.apply(plan, report)


class Cramped(Watched):
    """A target with so many bytes, of which each replica takes 4 by the time it is ready."""

    def __init__(self, real, size):
        super().__init__(real)
        self._size = size

    async def inspect(self):
        seen = [await self.observe(name) for name in ("tiny", "gemma")]
        used = 4 * sum(len(each.ready) for each in seen)
        return replace(await self._real.inspect(), memory_free=self._size - used)

    async def need(self, want):
        return Need(2, 1, 1, 64)


def stand_in(world, target, made):
    world.deployers[target] = made
    world.new_fleet()
    return made


def begin(world, want, text=None):
    return asyncio.create_task(world.change(want, text or f"deploy {want.name}"))


def held(world):
    return [(c.scope, c.name, c.operation.text) for c in world.fleet.survey.claims]


async def waits(world, text, target="a"):
    """Until somebody was told that they wait for that change to be done with the target."""
    told = f"wait for {(await world.operation(text)).id} of {ANN} to finish on {target}"
    await until(lambda: told in world.steps)


async def test_of_two_services_that_start_on_one_target_the_later_waits_and_reads_for_whom(world):
    world.clock.flows = False
    first = begin(world, TINY)
    await until(lambda: world.clock.waiting)
    second = begin(world, GEMMA)
    await waits(world, "deploy tiny")
    assert (await world.seen(name="gemma")).replicas == ()
    assert held(world) == [
        (Scope.SERVICE, "tiny", "deploy tiny"),
        (Scope.TARGET, "a", "deploy tiny"),
        (Scope.SERVICE, "gemma", "deploy gemma"),
    ]
    world.clock.flow()
    await asyncio.gather(first, second)
    assert await world.running()
    assert await world.running(name="gemma")
    assert held(world) == []


async def test_on_another_target_nobody_waits(world):
    world.clock.flows = False
    first = begin(world, TINY)
    second = begin(world, spec(name="gemma", b=1))
    await until(lambda: world.clock.waiting == 2)
    world.clock.flow()
    await asyncio.gather(first, second)
    assert not any(step.startswith("wait for") for step in world.steps)


async def test_what_only_stops_never_waits(world):
    await world.change(GEMMA.scaled(2), "before")
    world.clock.flows = False
    first = begin(world, TINY)
    await until(lambda: world.clock.waiting)
    await world.change(GEMMA.scaled(1), "fewer")
    await world.change(GEMMA.scaled(0), "none")
    await world.change(GEMMA.scaled(0), "gone", remove=True)
    assert not first.done()
    assert (await world.seen(name="gemma")).replicas == ()
    world.clock.flow()
    await first


async def test_a_long_download_is_in_nobodys_way(world):
    target = Watched(world.deployers["a"], ("tiny", StepKind.PREFETCH))
    stand_in(world, "a", target)
    first = begin(world, TINY)
    await target.reached.wait()
    assert held(world) == [(Scope.SERVICE, "tiny", "deploy tiny")]
    await world.change(GEMMA, "meanwhile")
    target.let_go.set()
    await first


async def test_every_target_has_what_it_needs_before_a_replica_of_any_is_touched(world):
    targets = {name: Watched(world.deployers[name]) for name in ("a", "b")}
    world.deployers = dict(targets)
    target = stand_in(world, "b", Watched(world.deployers["b"], ("tiny", StepKind.PREFETCH)))
    first = begin(world, spec(a=1, b=1))
    await target.reached.wait()
    assert targets["a"].applied == [("tiny", StepKind.PREFETCH)]
    target.let_go.set()
    await first


async def test_changes_with_crossing_targets_both_end(world):
    both, crossing = spec(a=1, b=1), spec(name="gemma", b=1, a=1)
    async with asyncio.timeout(20):
        await asyncio.gather(begin(world, both), begin(world, crossing))
        await asyncio.gather(
            begin(world, both.restarted(), "one"), begin(world, crossing.restarted(), "other")
        )
    assert all([await world.running(t, n) for t in "ab" for n in ("tiny", "gemma")])


async def test_a_target_is_kept_until_what_ran_there_before_runs_again(world):
    await world.change(TINY, "before")
    target = Watched(world.deployers["a"], ("tiny", StepKind.VERIFY))
    stand_in(world, "a", target)
    changing = begin(world, spec("tiny://other"))
    await target.reached.wait()
    waiting = begin(world, GEMMA)
    await waits(world, "deploy tiny")
    world.cancellations.ask((await world.operation("deploy tiny")).id, ANN)
    with pytest.raises(Cancelled):
        await changing
    await waiting
    moves = [each for each in target.applied if each[1] in (StepKind.START, StepKind.STOP)]
    there = [("tiny", StepKind.START), ("tiny", StepKind.STOP)]
    assert moves == [*there, *there, ("gemma", StepKind.START)]
    assert await world.running() == [f"tiny-{TINY.revision}-0"]


async def test_where_a_service_moves_away_from_is_kept_for_it_to_come_back_to(world):
    await world.change(TINY, "before")
    world.clock.flows = False
    moving = begin(world, spec("tiny://never-ready", b=1))
    await until(lambda: world.clock.waiting)
    assert [name for scope, name, _ in held(world) if scope is Scope.TARGET] == ["a", "b"]
    world.clock.flow()
    with pytest.raises(Unhealthy):
        await moving


async def test_cancelling_while_it_waits_for_a_target_ends_it_at_once(world):
    world.clock.flows = False
    first = begin(world, TINY)
    await until(lambda: world.clock.waiting)
    second = begin(world, GEMMA)
    await waits(world, "deploy tiny")
    world.cancellations.ask((await world.operation("deploy gemma")).id, ANN)
    with pytest.raises(Cancelled) as caught:
        await second
    assert caught.value.standing == "Nothing of gemma runs."
    assert held(world) == [
        (Scope.SERVICE, "tiny", "deploy tiny"),
        (Scope.TARGET, "a", "deploy tiny"),
    ]
    third = begin(world, spec(name="qwen"))
    await until(lambda: len(held(world)) == 3)
    world.clock.flow()
    await asyncio.gather(first, third)
    assert (await world.seen(name="gemma")).replicas == ()


async def test_who_waits_for_approval_holds_nothing(world):
    world.clock.flows = False
    operation = await world.operation("deploy tiny")
    asking = world.asking(operation, Approval(quorum=1))
    asked = asyncio.create_task(
        world.fleet.change("tiny", operation, lambda _: TINY, asking, world.news.append)
    )
    decisions = asking.decisions
    while await decisions.look(operation.id) is None or held(world):
        await asyncio.sleep(0.001)
    meanwhile = begin(world, GEMMA)
    await until(lambda: (Scope.TARGET, "a", "deploy gemma") in held(world))
    await decisions.vote(Vote("$yes", operation.id, "@bob:example.org", True, world.clock.now()))
    await waits(world, "deploy gemma")
    world.clock.flow()
    await asyncio.gather(meanwhile, asked)
    assert await world.running()


async def test_after_a_kill_claims_are_taken_anew(world):
    world.clock.flows = False
    tasks = [begin(world, TINY)]
    await until(lambda: world.clock.waiting)
    tasks.append(begin(world, GEMMA))
    await waits(world, "deploy tiny")
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    world.new_fleet()
    assert held(world) == []
    first = begin(world, TINY)
    await until(lambda: len(held(world)) == 2)
    world.clock.flow()
    await asyncio.gather(first, begin(world, GEMMA))
    assert await world.running()
    assert await world.running(name="gemma")


async def test_what_no_longer_fits_when_its_turn_comes_is_not_started(world):
    """Each fitted when it was planned, with nothing loaded yet; together they do not."""
    stand_in(world, "a", Cramped(world.deployers["a"], 7))
    world.clock.flows = False
    first = begin(world, TINY)
    await until(lambda: world.clock.waiting)
    second = begin(world, GEMMA)
    await waits(world, "deploy tiny")
    world.clock.flow()
    await first
    with pytest.raises(WorldChanged) as caught:
        await second
    assert caught.value.summary == (
        "since this was planned, the memory it needs was taken: 4 B, and 3 B is free on a"
    )
    assert caught.value.standing == "Nothing of gemma runs."
    assert (await world.seen(name="gemma")).replicas == ()
    assert await world.wanted("gemma") is None


async def test_what_did_not_fit_and_was_forced_is_tried_all_the_same(world):
    stand_in(world, "a", Cramped(world.deployers["a"], 3))
    await world.change(TINY, terms=Terms(force=True))
    assert await world.running()


async def test_a_resumed_change_is_not_measured_against_what_it_started_itself(world):
    stand_in(world, "a", Cramped(world.deployers["a"], 7))
    world.clock.flows = False
    task = begin(world, TINY)
    await until(lambda: world.clock.waiting)
    task.cancel()
    await asyncio.wait([task])
    world.clock.flow()
    world.new_fleet()
    await world.change(TINY)
    assert await world.running()


async def test_work_that_swallows_its_end_goes_no_further(world):
    """It was left to itself; by the time it is done somebody else may have the service."""

    class Deaf(Watched):
        async def apply(self, plan, report):
            try:
                await super().apply(plan, report)
            except asyncio.CancelledError:
                await self.let_go.wait()

    world.patience = 0
    target = stand_in(world, "a", Deaf(world.deployers["a"], ("tiny", StepKind.PREFETCH)))
    task = begin(world, TINY)
    await target.reached.wait()
    world.cancellations.ask((await world.operation("deploy tiny")).id, ANN)
    with pytest.raises(Cancelled):
        await task
    target.let_go.set()
    await until(lambda: not world.cancellations.left._tasks)
    assert target.applied == [("tiny", StepKind.PREFETCH)]
    assert held(world) == []


NAMES = st.lists(st.sampled_from("abcd"), min_size=1, max_size=4, unique=True)
TURNS = st.integers(1, 12)
OFF = st.none() | st.integers(1, 30)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("uvwxyz"), NAMES, TURNS, OFF), min_size=3, max_size=10))
def test_however_targets_cross_everybody_ends_and_nobody_shares_one(wishes):
    """Each wish is a service, targets, how long it works, and when it is called off."""

    async def all_of_them():
        cancellations, clock = Cancellations(), Time()
        claims, busy, ended = Claims(cancellations, clock), set(), []

        async def work(take, targets, turns):
            await take(frozenset(targets))
            assert busy.isdisjoint(targets)
            busy.update(targets)
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                busy.difference_update(targets)

        async def one(number, service, targets, turns):
            operation = filed(f"change {number}", clock.now())
            try:
                async with (
                    claims.on(service, operation, [].append),
                    claims.targets(operation, [].append) as take,
                ):
                    doing = work(take, targets, turns)
                    await cancellations.guard(operation.id, doing)
            except Cancelled:
                pass
            ended.append(number)

        async def call_off(number, after):
            for _ in range(after):
                await asyncio.sleep(0)
            cancellations.ask(filed(f"change {number}", clock.now()).id, ANN)

        async with asyncio.timeout(3), asyncio.TaskGroup() as group:
            for number, (service, targets, turns, off) in enumerate(wishes):
                group.create_task(one(number, service, targets, turns))
                if off:
                    group.create_task(call_off(number, off))
        assert sorted(ended) == list(range(len(wishes)))
        assert claims.held == ()

    asyncio.run(all_of_them())


async def test_turns_are_had_in_the_order_in_which_they_were_asked_for(world):
    claims, had = Claims(Cancellations(), world.clock), []

    async def one(number):
        operation = filed(f"change {number}", world.clock.now())
        async with claims.targets(operation, world.news.append) as take:
            await take({"a"})
            had.append(number)
            await asyncio.sleep(0)

    await asyncio.gather(*map(one, range(5)))
    assert had == list(range(5))
