"""A cancel in every phase of a change: it ends, says what became of it, and lets the service go."""

import asyncio

import pytest

from domain.errors import Cancelled
from domain.plans import StepKind

from .world import ANN, spec, until

ONE = spec("tiny://ops")
TWO = spec("tiny://other")
DONE = {"prefetch": 0, "start": 1, "wait-ready": 2, "stop": 5, "verify": 6}
"""Steps of an update that are done when one of that kind is under way on the target."""


class Hanging:
    """A target that, from a call of that name on (or a step of that kind), never answers.

    `deaf` ones are not even moved by being cancelled.
    """

    def __init__(self, real, call, kind=None, deaf=False):
        self._real, self._call, self._kind, self._deaf = real, call, kind, deaf
        self.capabilities = real.capabilities
        self.reached, self.let_go = asyncio.Event(), asyncio.Event()
        self.asked = 0
        """How often it was asked for anything."""

    async def inspect(self):
        await self._perhaps("inspect")
        return await self._real.inspect()

    async def observe(self, service):
        await self._perhaps("observe")
        return await self._real.observe(service)

    def plan(self, *words):
        return self._real.plan(*words)

    async def need(self, want):
        return await self._real.need(want)

    async def apply(self, plan, report):
        await self._perhaps("apply", plan.steps[0].kind)
        await self._real.apply(plan, report)

    async def _perhaps(self, call, kind=None):
        self.asked += 1
        if self.let_go.is_set() or call != self._call or self._kind not in (None, kind):
            return
        self.reached.set()
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                if not self._deaf:
                    self.let_go.set()  # it hangs but once: it can be talked to again
                    raise


def hang(world, call, kind=None, *, deaf=False):
    world.patience = 0 if deaf else world.patience
    made = world.deployers["a"] = Hanging(world.deployers["a"], call, kind, deaf)
    world.new_fleet()
    return made


async def cancelled(world, task, text):
    world.cancellations.ask((await world.operation(text)).id, ANN)
    with pytest.raises(Cancelled, match=f"cancelled by {ANN}") as caught:
        async with asyncio.timeout(10):
            await task
    assert world.fleet.survey.holder("tiny") is None
    assert world.fleet.survey.claims == ()
    return caught.value


async def test_while_it_is_filed_no_target_is_touched(world):
    world.cancellations.ask((await world.operation("deploy tiny")).id, ANN)
    with pytest.raises(Cancelled):
        await world.change(ONE)
    assert (await world.seen()).replicas == ()
    assert world.fleet.survey.claims == ()
    await world.change(ONE, "another")


async def test_while_it_waits_for_its_turn(world):
    world.clock.flows = False
    running = asyncio.create_task(world.change(ONE))
    await until(lambda: world.clock.waiting)
    waiting = asyncio.create_task(world.change(TWO, "second"))
    first = await world.operation("deploy tiny")
    await until(lambda: f"wait for {first.id} of {ANN} to finish with tiny" in world.steps)
    world.cancellations.ask((await world.operation("second")).id, ANN)
    with pytest.raises(Cancelled) as caught:
        await waiting
    assert caught.value.standing == "Nothing was done yet."
    assert world.fleet.survey.holder("tiny") == first.id
    world.clock.flow()
    await running


@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.parametrize("call", ["inspect", "observe"])
async def test_while_it_is_planned(world, call, deaf):
    target = hang(world, call, deaf=deaf)
    task = asyncio.create_task(world.change(ONE))
    await target.reached.wait()
    error = await cancelled(world, task, "deploy tiny")
    assert error.standing == "Nothing was done yet."
    target.let_go.set()
    assert (await world.seen()).replicas == ()
    await world.change(ONE, "again")


@pytest.mark.parametrize(("kind", "done"), DONE.items())
async def test_in_each_step_what_ran_before_is_put_back(world, kind, done):
    await world.change(ONE)
    ran = await world.running()
    target = hang(world, "apply", StepKind(kind))
    task = asyncio.create_task(world.change(TWO, "second"))
    await target.reached.wait()
    error = await cancelled(world, task, "second")
    assert f"after {done} of 7 steps" in error.summary
    new, old = f"tiny-{TWO.revision}-0", ran[0]
    assert (f"{new} was started and stopped again" in error.summary) == (done > 1)
    assert (f"{old} was stopped and started again" in error.summary) == (done > 5)
    assert error.standing == f"The version before ({ONE.revision}) serves, 1 of 1."
    assert [str(r.id) for r in (await world.seen()).alive] == ran == await world.running()
    assert await world.wanted() == ONE


async def test_while_the_bot_is_down_half_way_through_it(world):
    """What an earlier run did is put back; of steps that this one did not see nothing is said."""
    await world.change(ONE)
    ran = await world.running()
    world.clock.flows = False
    task = asyncio.create_task(world.change(TWO, "second"))
    await until(lambda: world.clock.waiting)
    task.cancel()
    await asyncio.wait([task])
    assert len((await world.seen()).alive) == 2
    world.new_fleet()
    world.cancellations.ask((await world.operation("second")).id, ANN)
    with pytest.raises(Cancelled) as caught:
        await world.change(TWO, "second")
    assert caught.value.summary == f"cancelled by {ANN}"
    assert caught.value.standing == f"The version before ({ONE.revision}) serves, 1 of 1."
    assert await world.running() == ran
    assert len((await world.seen()).alive) == 1


async def test_while_answers_are_drained(world):
    await world.change(ONE)
    ran = await world.running()
    endpoint = world.endpoints.of("tiny")[0]
    with world.endpoints.lease(endpoint.replica, target="a"):
        task = asyncio.create_task(world.change(TWO, "second"))
        await until(lambda: any(step.startswith("drain ") for step in world.steps))
        error = await cancelled(world, task, "second")
    assert "after 4 of 7 steps" in error.summary
    assert await world.running() == ran == world.asked()


async def test_while_it_is_put_back_that_goes_on(world):
    await world.change(ONE)
    ran = await world.running()
    world.clock.flows = False
    task = asyncio.create_task(world.change(TWO, "second"))
    await until(lambda: world.clock.waiting)
    target = Hanging(world.deployers["a"], "apply", StepKind.STOP)
    world.fleet._rollouts._deployers["a"] = target
    second = await world.operation("second")
    world.cancellations.ask(second.id, ANN)
    await target.reached.wait()
    assert world.fleet.survey.holder("tiny") == second.id
    world.cancellations.ask(second.id, "@bob:example.org")
    target.let_go.set()
    with pytest.raises(Cancelled, match=f"cancelled by {ANN}"):
        await task
    assert [str(r.id) for r in (await world.seen()).alive] == ran
    assert world.fleet.survey.claims == ()


async def test_a_target_that_never_answers_does_not_hold_it(world):
    await world.change(ONE)
    target = hang(world, "apply", StepKind.START, deaf=True)
    task = asyncio.create_task(world.change(TWO, "second"))
    await target.reached.wait()
    asked = target.asked
    error = await cancelled(world, task, "second")
    assert target.asked == asked, "nobody knows what it is still doing"
    assert "after 1 of 7 steps" in error.summary
    assert error.standing == (
        "a did not answer within 0 s; what it was doing there may still happen."
    )
    assert await world.wanted() == ONE
    target.let_go.set()


async def test_other_targets_are_put_back_all_the_same(world):
    target = hang(world, "apply", StepKind.START, deaf=True)
    both = spec("tiny://ops", b=1, a=1)
    task = asyncio.create_task(world.change(both))
    await target.reached.wait()
    assert len(await world.running("b")) == 1
    error = await cancelled(world, task, "deploy tiny")
    assert f"tiny-{both.revision}-0 was started and stopped again" in error.summary
    assert (await world.seen("b")).alive == ()
    target.let_go.set()


async def test_nor_does_one_that_says_nothing_while_it_is_put_back(world):
    """As soon as a starting replica would have been given up."""
    want = TWO.model_copy(update={"startup_budget": 0.01, "drain_timeout": 0.0})
    world.clock.flows = False
    task = asyncio.create_task(world.change(want))
    await until(lambda: world.clock.waiting)
    target = Hanging(world.deployers["a"], "observe", deaf=True)
    world.patience = 0
    world.fleet._rollouts._deployers["a"] = target
    world.fleet._rollouts._patience = world.fleet._rollouts._hearing._patience = 0
    error = await cancelled(world, task, "deploy tiny")
    assert "a could not be put back: a did not answer within 0 s" in error.standing
    target.let_go.set()


async def test_once_it_has_ended_a_cancel_changes_nothing(world):
    await world.change(ONE)
    world.cancellations.forget((await world.operation("deploy tiny")).id)
    world.cancellations.ask((await world.operation("deploy tiny")).id, ANN)
    assert len(await world.running()) == 1
    await world.change(TWO, "second")
    assert world.fleet.survey.claims == ()


async def test_a_claim_does_not_outlive_a_change_that_fails(world):
    with pytest.raises(Exception, match="not ready"):
        await world.change(spec("tiny://never-ready"))
    assert world.fleet.survey.claims == ()
    await world.change(ONE, "second")
