"""Wherever a deployer is cut off, the same plan carried out again ends as if it never was."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

import pytest

from deployers.protocol import Deployer
from deployers.steps import stop_first
from domain.plans import Plan
from domain.progress import Progress
from tests.contract.dying_bot import die
from tests.contract.stages import Stage, bring, ignore, make_plan

FAR_TOO_MANY = 80

Interrupt = Callable[[Stage, Plan, int], Awaitable[bool]]
"""Begins a plan and breaks off at the nth report; False if it was done before."""


async def cancelled(stage: Stage, plan: Plan, count: int) -> bool:
    """Somebody stops waiting for it."""
    applying = asyncio.current_task()
    news: list[Progress] = []

    def report(progress: Progress) -> None:
        news.append(progress)
        if len(news) == count and applying:
            applying.cancel()

    try:
        await stage.open().apply(plan, report)
        await asyncio.sleep(0)  # the last reports come after the last await
    except asyncio.CancelledError:
        asyncio.current_task().uncancel()  # type: ignore[union-attr]
        return True
    return False


@pytest.mark.parametrize("interrupt", [cancelled, die], ids=["cancelled", "killed"])
async def test_an_update_cut_off_at_any_report_is_finished_by_the_next_bot(
    stage: Stage, interrupt: Interrupt
):
    await bring(stage.open(), stage.good(2))
    for count in range(1, FAR_TOO_MANY):
        want = stage.good_v2(2) if count % 2 else stage.good(2)
        if not await interrupted(stage, await make_plan(stage.open(), want), count, interrupt):
            return
    pytest.fail("the plan never ends")


@pytest.mark.parametrize("interrupt", [cancelled, die], ids=["cancelled", "killed"])
async def test_an_update_that_stops_first_is_finished_as_well(stage: Stage, interrupt: Interrupt):
    """Also when it is cut off between the last stop and the first start."""
    await bring(stage.open(), stage.good(1))
    for count in range(1, FAR_TOO_MANY):
        want = stage.good_v2(1) if count % 2 else stage.good(1)
        plan = stop_first(await make_plan(stage.open(), want), "both want one port")
        if not await interrupted(stage, plan, count, interrupt):
            return
    pytest.fail("the plan never ends")


@pytest.mark.parametrize("interrupt", [cancelled, die], ids=["cancelled", "killed"])
async def test_a_first_deploy_cut_off_at_any_report_is_finished_by_the_next_bot(
    stage: Stage, interrupt: Interrupt
):
    for count in range(1, FAR_TOO_MANY):
        plan = await make_plan(stage.open(), stage.good(1))
        if not await interrupted(stage, plan, count, interrupt):
            return
        await bring(stage.open(), stage.good(0))
    pytest.fail("the plan never ends")


async def interrupted(stage: Stage, plan: Plan, count: int, interrupt: Interrupt) -> bool:
    """Break the plan off, have the next bot finish it, and see that nothing is amiss."""
    broken_off = await interrupt(stage, plan, count)
    async with asyncio.timeout(60):
        await stage.open().apply(plan, ignore)
    await assert_exactly(stage, stage.open(), plan)
    return broken_off


async def assert_exactly(stage: Stage, deployer: Deployer, plan: Plan) -> None:
    """Every wanted replica runs once and is ready, and nothing else is left."""
    seen = await deployer.observe("tiny")
    assert {replica.id for replica in seen.ready} == plan.wanted
    assert {replica.id for replica in seen.replicas} == plan.wanted
    if stage.kind != "rehearsal":
        assert Counter(stage.running().values()) == Counter(str(r) for r in plan.wanted)
