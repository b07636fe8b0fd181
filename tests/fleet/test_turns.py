"""Changes that wait, are called off, or go on after a restart."""

import asyncio

import pytest

from domain.decisions import Approval, Vote
from domain.errors import Cancelled, NotApproved, Unhealthy, Unreachable

from .world import ANN, spec, until

ONE = spec("tiny://ops")
TWO = spec("tiny://other")


async def test_a_busy_service_is_changed_in_the_order_people_asked(world):
    world.clock.flows = False
    orders = []

    def decide(want):
        def note(before):
            orders.append((before, want))
            return want

        return note

    wants = [ONE, TWO, ONE.scaled(2)]
    changes = []
    for number, want in enumerate(wants):
        changes.append(asyncio.create_task(world.change(decide(want), f"change {number}")))
        await until(lambda: world.clock.waiting)
    await until(lambda: sum(step.startswith("wait for ") for step in world.steps) == 1)
    world.clock.flow()
    outcomes = await asyncio.gather(*changes)
    assert [outcome.want for outcome in outcomes] == wants
    assert orders == [(None, ONE), (ONE, TWO), (TWO, ONE.scaled(2))]
    assert len(await world.running()) == 2
    assert world.fleet.survey.holder("tiny") is None


async def test_another_service_does_not_wait(world):
    world.clock.flows = False
    held = asyncio.create_task(world.change(ONE))
    await until(lambda: world.clock.waiting)
    assert world.fleet.survey.holder("tiny") is not None
    await world.change(spec(name="other", a=0), "deploy other")
    assert not held.done()
    world.clock.flow()
    await held


async def test_cancelling_while_it_waits_its_turn_changes_nothing(world):
    world.clock.flows = False
    running = asyncio.create_task(world.change(ONE))
    await until(lambda: world.clock.waiting)
    waiting = asyncio.create_task(world.change(TWO, "second"))
    await until(lambda: any(step.startswith("wait for ") for step in world.steps))
    second = await world.operation("second")
    world.cancellations.ask(second.id, ANN)
    with pytest.raises(Cancelled, match=f"cancelled by {ANN}"):
        await waiting
    world.clock.flow()
    await running
    assert await world.running() == [f"tiny-{ONE.revision}-0"]
    await world.change(TWO, "third")


@pytest.mark.parametrize(
    ("before", "standing"),
    [
        (None, "Nothing of tiny runs."),
        (ONE, f"The version before ({ONE.revision}) serves, 1 of 1."),
    ],
)
async def test_cancelling_while_it_runs_puts_back_what_was_and_says_so(world, before, standing):
    if before:
        await world.change(before)
    ran = await world.running()
    world.clock.flows = False
    task = asyncio.create_task(world.change(TWO, "second"))
    await until(lambda: world.clock.waiting)
    assert len((await world.seen()).alive) == len(ran) + 1
    world.cancellations.ask((await world.operation("second")).id, ANN)
    with pytest.raises(Cancelled) as caught:
        await task
    assert caught.value.standing == standing
    assert await world.running() == ran == world.asked()
    assert [str(r.id) for r in (await world.seen()).alive] == ran
    assert await world.wanted() == before


async def left_half_way(world, change):
    """Begin a change and leave it while something starts, as a bot does that dies."""
    world.clock.flows = False
    task = asyncio.create_task(change)
    await until(lambda: world.clock.waiting)
    task.cancel()
    await asyncio.wait([task])
    world.clock.flow()


async def test_a_resumed_operation_carries_out_what_was_planned_then(world):
    """What was decided, perhaps approved, is what runs: it is not decided anew."""
    await left_half_way(world, world.change(ONE.scaled(2)))
    assert len((await world.seen()).alive) == 1
    world.new_fleet()
    world.clock.seconds += 60

    def ask_again(before):
        raise AssertionError("decided twice")

    outcome = await world.change(ask_again)
    assert outcome.want == ONE.scaled(2)
    assert outcome.seconds > 60
    assert len(await world.running()) == len(world.asked()) == 2
    assert await world.wanted() == ONE.scaled(2)


async def test_a_resumed_operation_whose_target_is_gone_from_the_configuration_says_so(world):
    await left_half_way(world, world.change(ONE.scaled(2)))
    left = world.deployers.pop("a")
    world.new_fleet()

    with pytest.raises(Unreachable) as caught:
        await world.change(ONE.scaled(2))
    assert caught.value.summary == "a is no longer configured"
    assert "put the target back" in caught.value.hint
    await left.aclose()


async def test_how_things_stand_is_told_without_a_target_that_is_gone(world):
    about = await world.operation("plan")
    planned = await world.fleet.planning.preview("tiny", about, lambda _: ONE)
    left = world.deployers.pop("a")
    world.new_fleet()
    told = await world.fleet._rollouts.standing(planned, lambda _: None)
    assert told == "Nothing of tiny runs."
    await left.aclose()


async def test_an_operation_resumed_after_its_last_step_ends_the_same(world):
    first = await world.change(ONE)
    world.new_fleet()
    again = await world.change(ONE)
    assert (again.want, again.changed) == (first.want, True)
    assert world.asked() == [f"tiny-{ONE.revision}-0"]


async def test_a_cancellation_asked_for_before_a_restart_still_counts(world):
    await world.change(ONE)
    world.cancellations.ask((await world.operation("second")).id, ANN)
    with pytest.raises(Cancelled):
        await world.change(TWO, "second")
    assert await world.running() == [f"tiny-{ONE.revision}-0"] == world.asked()


async def test_what_was_settled_before_a_restart_is_only_told_of(world):
    """Somebody else had the next turn: to carry the first change out again would undo theirs."""
    await world.change(ONE, "first")
    await world.change(TWO, "second")
    world.new_fleet()
    outcome = await world.change(ONE, "first")
    assert outcome.want == ONE
    assert await world.wanted() == TWO
    assert await world.running() == [f"tiny-{TWO.revision}-0"]


async def test_a_plan_for_what_the_service_is_no_more_is_made_anew(world):
    """After a restart somebody else came first."""
    await world.change(ONE)
    await left_half_way(world, world.change(lambda before: before.scaled(2), "scale"))
    world.new_fleet()
    await world.change(TWO, "another")
    await world.change(lambda before: before.scaled(2), "scale")
    assert await world.wanted() == TWO.scaled(2)
    assert await world.running() == [f"tiny-{TWO.revision}-{n}" for n in range(2)]


async def test_a_change_that_failed_leaves_no_plan_for_a_restart_to_find(world):
    await world.change(ONE)
    with pytest.raises(Unhealthy):
        await world.change(spec("tiny://never-ready"), "second")
    operation = await world.operation("second")
    async with world.store.transaction() as tx:
        assert await tx.operations.rollout(operation.id) is None


async def test_what_was_approved_failed_and_is_another_plan_by_now_says_how_that_came(world):
    """Put back, and killed before its end was written; then somebody else had the next turn."""
    await world.change(ONE)
    operation = await world.operation("second")
    asking = world.asking(operation, Approval(quorum=1, within=1e9))
    failing = spec("tiny://never-ready")

    async def change():
        await world.fleet.change("tiny", operation, lambda _: failing, asking, world.news.append)

    world.clock.flows = False
    task = asyncio.create_task(change())
    while (record := await asking.decisions.look(operation.id)) is None:
        await asyncio.sleep(0.001)
    now = world.clock.now()
    await asking.decisions.vote(Vote("$yes", operation.id, "@bob:example.org", True, now))
    await until(lambda: world.fleet.survey.claims)
    world.clock.flow()
    with pytest.raises(Unhealthy):
        await task
    world.new_fleet()
    await world.change(ONE.scaled(2), "third")
    with pytest.raises(NotApproved) as caught:
        await change()
    assert caught.value.summary.startswith(
        f"plan {record.question.plan} was approved, but it failed and was put back, and the bot "
        "was stopped before it could say why; as things are now it would be another, "
    )
    assert caught.value.standing == f"The version before ({ONE.revision}) serves, 2 of 2."
    assert caught.value.hint == "`!logs` may tell why it failed; say it again to ask again"
    assert await world.wanted() == ONE.scaled(2)
