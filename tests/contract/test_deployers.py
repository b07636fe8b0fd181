"""The promises of deployers/protocol.py, for every kind of target."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from deployers.protocol import Foresight
from domain.errors import Unhealthy, UnknownName, Unsupported, WorldChanged
from domain.made_of import differences, in_short, replaced
from domain.progress import Progress
from domain.replicas import Observed, Phase, Replica, ReplicaId
from domain.services import ServiceSpec
from tests.contract.stages import Stage, bring, ignore, make_plan


def ids(want: ServiceSpec, count: int) -> list[ReplicaId]:
    return [ReplicaId(want.name, want.revision, n) for n in range(count)]


def ready_ids(seen: Observed) -> list[ReplicaId]:
    return [replica.id for replica in seen.ready]


def wherever_they_are(seen: Observed) -> list[Replica]:
    """The replicas but for their endpoints: another bot may reach the same one by another port."""
    return [replace(replica, endpoint=None) for replica in seen.replicas]


async def test_an_untouched_target_holds_nothing(stage: Stage):
    deployer = stage.open()

    seen = await deployer.observe("tiny")

    assert seen.replicas == ()
    assert (await deployer.inspect()).reachable


@pytest.mark.parametrize("count", [1, 3])
async def test_a_deployed_service_has_the_wanted_replicas(stage: Stage, count: int):
    want = stage.good(count)

    seen = await bring(stage.open(), want)

    assert ready_ids(seen) == ids(want, count) == [replica.id for replica in seen.replicas]
    assert all(replica.operation == "op1" and replica.endpoint for replica in seen.replicas)


async def test_doing_it_again_changes_nothing(stage: Stage):
    deployer, want = stage.open(), stage.good(2)
    plan = await make_plan(deployer, want)
    await deployer.apply(plan, ignore)
    before, running = await deployer.observe("tiny"), stage.running()

    await deployer.apply(plan, ignore)
    await bring(deployer, want)

    assert (await deployer.observe("tiny")).replicas == before.replicas
    assert stage.running() == running


async def test_scaling_up_keeps_what_runs(stage: Stage):
    deployer = stage.open()
    before = await bring(deployer, stage.good(1))

    after = await bring(deployer, stage.good(3))

    assert ready_ids(after) == ids(stage.good(3), 3)
    assert after.find(before.replicas[0].id) == before.replicas[0]


async def test_scaling_down_keeps_the_rest(stage: Stage):
    deployer = stage.open()
    before = await bring(deployer, stage.good(3))

    after = await bring(deployer, stage.good(1))

    assert after.replicas == before.replicas[:1]


async def test_scaling_to_nothing_leaves_nothing(stage: Stage):
    deployer = stage.open()
    await bring(deployer, stage.good(2))

    after = await bring(deployer, stage.good(0))

    assert after.replicas == ()
    assert stage.running() == {}


async def test_no_old_replica_stops_before_a_new_one_is_ready(stage: Stage):
    deployer = stage.open()
    await bring(deployer, stage.good(2))
    news: list[Progress] = []
    fewest = 2

    async def watch() -> None:
        nonlocal fewest
        while True:
            fewest = min(fewest, len((await deployer.observe("tiny")).ready))
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch(), name="watch")
    after = await bring(deployer, stage.good_v2(2), news.append)
    watching.cancel()

    assert ready_ids(after) == ids(stage.good_v2(2), 2)
    assert fewest == 2
    for n, new in enumerate(ids(stage.good_v2(2), 2)):
        stops = [p for p, told in enumerate(news) if told.step.startswith("stop ")]
        ready = [p for p, told in enumerate(news) if told.step == f"wait-ready {new}"]
        assert max(ready) < stops[n * len(stops) // 2]


async def test_every_step_is_told_when_it_begins(stage: Stage):
    deployer = stage.open()
    await bring(deployer, stage.good(1))
    plan = await make_plan(deployer, stage.good_v2(1))
    news: list[Progress] = []

    await deployer.apply(plan, news.append)

    assert list(dict.fromkeys(told.step for told in news)) == [str(step) for step in plan.steps]


async def test_a_failed_update_leaves_the_old_revision_as_it_was(stage: Stage):
    deployer = stage.open()
    before = await bring(deployer, stage.good(1))
    running = stage.running()

    with pytest.raises(Unhealthy) as caught:
        await bring(deployer, stage.broken(1))

    after = await deployer.observe("tiny")
    [new] = ids(stage.broken(1), 1)
    failed = after.find(new)
    assert after.alive == before.replicas
    assert stage.running() == running
    assert caught.value.replica == str(new)
    assert caught.value.failure.evidence
    assert failed is not None
    assert failed.phase is Phase.FAILED
    assert failed.reason == caught.value.failure.what


async def test_a_failed_replica_can_be_asked_for_its_log_until_a_success_clears_it(stage: Stage):
    deployer = stage.open()
    with pytest.raises(Unhealthy) as caught:
        await bring(deployer, stage.broken(1))
    [failed] = ids(stage.broken(1), 1)

    later = stage.open()
    lines = [line.text async for line in later.logs(failed, tail=50, follow=True)]
    assert set(caught.value.failure.evidence) <= set(lines)

    after = await bring(later, stage.good(1))
    assert [replica.id for replica in after.replicas] == ids(stage.good(1), 1)
    with pytest.raises(UnknownName):
        await anext(aiter(later.logs(failed, tail=1, follow=False)))


async def test_a_failed_replica_is_tried_anew(stage: Stage):
    deployer = stage.open()
    for _ in range(2):
        with pytest.raises(Unhealthy):
            await bring(deployer, stage.broken(1))

    assert (await deployer.observe("tiny")).alive == ()
    assert stage.running() == {}


async def test_a_stale_plan_is_refused_and_nothing_done(stage: Stage):
    deployer = stage.open()
    stale = await make_plan(deployer, stage.good(1))
    before = await bring(deployer, stage.good_v2(1))

    with pytest.raises(WorldChanged, match=str(before.replicas[0].id)):
        await deployer.apply(stale, ignore)

    assert (await deployer.observe("tiny")).replicas == before.replicas


async def test_step_by_step_is_the_same_as_at_once(stage: Stage):
    deployer = stage.open()
    await bring(deployer, stage.good(2))
    plan = await make_plan(deployer, stage.good_v2(1))

    for step in plan.steps:
        await deployer.apply(plan.only(step), ignore)
        await deployer.apply(plan.only(step), ignore)

    assert ready_ids(await deployer.observe("tiny")) == ids(stage.good_v2(1), 1)


async def test_a_new_deployer_adopts_what_runs(stage: Stage):
    first = stage.open()
    before = await bring(first, stage.good(2))
    await first.aclose()

    second = stage.open()
    seen = await second.observe("tiny")
    assert wherever_they_are(seen) == wherever_they_are(before)
    assert all(replica.endpoint for replica in seen.replicas)

    after = await bring(second, stage.good_v2(1))
    assert ready_ids(after) == ids(stage.good_v2(1), 1) == [r.id for r in after.replicas]


async def test_what_a_replica_is_made_of_is_told_the_same_twice_or_not_at_all(stage: Stage):
    first = stage.open()
    before = await bring(first, stage.good(2))
    told = [replica.made_of for replica in before.replicas]
    await first.aclose()

    second = stage.open()
    again = await bring(second, stage.good(2))

    assert [replica.made_of for replica in again.replicas] == told
    for made_of in told:
        assert len(dict(made_of)) == len(made_of)
        assert all(what and which for what, which in made_of)
    assert replaced(told[0], told[1]) is None
    if told[0]:
        assert in_short(told[0]), "what tells anything tells the content"


async def test_what_is_foreseen_is_what_is_told_afterwards(stage: Stage):
    deployer = stage.open()
    if not isinstance(deployer, Foresight):
        pytest.skip(f"{stage.kind} foresees nothing")

    foreseen = await deployer.foresee(stage.good())
    seen = await bring(deployer, stage.good())

    assert in_short(foreseen)
    assert list(differences(foreseen, seen.replicas[0].made_of)) == []


async def test_two_services_do_not_see_each_other(stage: Stage):
    deployer = stage.open()
    tiny = await bring(deployer, stage.good(1))
    other = stage.good(1).model_copy(update={"name": "tiny-1"})

    await bring(deployer, other)
    await bring(deployer, other.scaled(0))

    assert (await deployer.observe("tiny")).replicas == tiny.replicas


async def test_the_last_lines_of_a_log_are_the_last(stage: Stage):
    deployer = stage.open()
    seen = await bring(deployer, stage.good(1))
    replica = seen.replicas[0].id

    everything = [line async for line in deployer.logs(replica, tail=1000, follow=False)]
    last = [line async for line in deployer.logs(replica, tail=2, follow=False)]
    none = [line async for line in deployer.logs(replica, tail=0, follow=False)]

    assert len(everything) > 2
    assert last == everything[-2:]
    assert none == []
    assert {line.replica for line in everything} == {replica}


async def test_following_a_log_ends_with_the_replica(stage: Stage):
    deployer = stage.open(**({"pace": 0.01} if stage.kind == "rehearsal" else {}))
    seen = await bring(deployer, stage.good(1))
    following = asyncio.Event()

    async def follow() -> int:
        count = 0
        async for _ in deployer.logs(seen.replicas[0].id, tail=1, follow=True):
            count += 1
            following.set()
        return count

    task = asyncio.create_task(follow(), name="follow")
    async with asyncio.timeout(20):
        await following.wait()
        await bring(deployer, stage.good(0))
        assert await task >= 1


async def test_an_unknown_replica_has_no_log(stage: Stage):
    with pytest.raises(UnknownName):
        await anext(aiter(stage.open().logs(ReplicaId("tiny", "abcdef", 0), tail=5, follow=False)))


async def test_removal_forgets_everything(stage: Stage):
    deployer = stage.open()
    with pytest.raises(Unhealthy):
        await bring(deployer, stage.broken(1))
    await bring(deployer, stage.good(1))
    plan = (await make_plan(deployer, stage.good(0))).forgetting()

    await deployer.apply(plan, ignore)
    await deployer.apply(plan, ignore)

    assert (await deployer.observe("tiny")).replicas == ()
    assert stage.running() == {}
    assert not [path for path in stage.root.rglob("*tiny*") if path.suffix != ".gguf"]


async def test_what_a_target_cannot_run_is_refused_while_planning(stage: Stage):
    deployer = stage.open()
    for want in stage.unsupported:
        with pytest.raises(Unsupported) as caught:
            await make_plan(deployer, want)
        assert caught.value.hint
        assert (await make_plan(deployer, want.scaled(0))).steps
