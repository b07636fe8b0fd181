"""Asking what a change would do. Whoever may look may ask, and nothing comes of it."""

from dataclasses import replace
from decimal import Decimal

import pytest

from deployers.protocol import Capabilities
from domain.costs import Price
from domain.defaults import Defaults
from domain.operations import operation_id

from . import desk as desk_module
from .homeserver import OTHER, ROOM
from .test_worker import BOB, EVE


@pytest.fixture
async def tiny(desk):
    await desk.says("!deploy tiny tiny://ops")


async def test_a_plan_of_something_new_starts_nothing(desk, world):
    told = await desk.says("!deploy tiny tiny://ops --replicas 2 --plan", sender=BOB)
    name = operation_id("$1")
    assert told.startswith(f"Plan `{name}` for tiny; nothing is changed yet")
    assert f"`!apply {name}` does exactly this, within 15 min" in told
    assert "New: tiny://ops on a" in told
    assert "tiny does not serve now" in told
    assert (await world.seen()).replicas == ()
    assert await world.wanted() is None
    assert "deploy" not in await desk.says("!ops")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("!scale tiny 3", "replicas on a: `1` → `3`"),
        ("!deploy tiny tiny://other", "source: `tiny://ops` → `tiny://other`"),
        ("!stop tiny", "After that tiny does not serve."),
        ("!restart tiny", "every replica is replaced by a new one"),
        ("!remove tiny", "tiny is forgotten, its logs included"),
        ("!scale tiny 1", "nothing would be done"),
    ],
)
async def test_a_plan_tells_what_differs_and_leaves_it(desk, world, tiny, command, told):
    before = await world.running(), await world.wanted()
    assert told in await desk.says(f"{command} --plan", sender=BOB)
    assert (await world.running(), await world.wanted()) == before


async def test_what_was_planned_is_what_is_then_done(desk, world, tiny):
    plan = await desk.says("!deploy tiny tiny://other --plan")
    world.news.clear()
    await desk.says("!deploy tiny tiny://other")
    [replica] = await world.running()
    assert f"start {replica}" in plan
    assert "tiny serves throughout." in plan


@pytest.mark.parametrize(
    ("command", "sender", "why"),
    [
        ("!scale tyni 2 --plan", BOB, "there is no service `tyni`"),
        ("!deploy new --plan", BOB, "needs a model source"),
        ("!scale tiny 2 --plan", EVE, "takes the role viewer"),
        ("!deploy tiny --target nowhere --plan", BOB, "is not a target of"),
        ("!infer tiny --plan hello", BOB, "no option `--plan`"),
    ],
)
async def test_a_plan_that_cannot_be_made_says_why(desk, tiny, command, sender, why):
    assert why in await desk.says(command, sender=sender)


async def test_a_room_without_an_environment_has_nothing_to_plan(desk):
    assert "bound to no environment" in await desk.says("!deploy x tiny://ops --plan", room=OTHER)


@pytest.fixture
def limitless(world):
    """A target that cannot keep a replica from taking what it likes."""
    world.deployers["a"].capabilities = Capabilities(limits="nobody counts there")


@pytest.mark.parametrize("said", ["--cpu 4", "--memory 8g", "--cpu none --memory 8g"])
async def test_a_limit_is_refused_where_it_cannot_be_kept(desk, world, tiny, limitless, said):
    before = await world.wanted()
    for plan in ("", " --plan"):
        told = await desk.says(f"!deploy tiny {said}{plan}")
        assert "a cannot keep --cpu or --memory: nobody counts there" in told
    assert await world.wanted() == before
    await desk.says("!deploy tiny --cpu none --memory none --ctx 512")
    assert (await world.wanted()).context == 512


async def test_a_limit_that_nobody_asked_for_just_now_keeps_nothing_from_running(
    desk, world, monkeypatch, limitless
):
    """An environment with a limit for new services has targets of several kinds."""
    prod = replace(desk_module.PROD, defaults=Defaults(memory=2**33))
    desk.policy = replace(desk_module.POLICY, rooms={ROOM: prod})
    desk.open()
    await desk.says("!deploy tiny tiny://ops")
    await desk.says("!scale tiny 2")
    assert (await world.wanted()).memory == 2**33
    assert len(await world.running()) == 2


async def test_a_limit_is_part_of_the_plan_and_of_what_it_is_diffed_by(desk, tiny):
    plan = await desk.says("!deploy tiny --cpu 4 --memory 8g --plan")
    assert "cpus: `no limit` → `4`" in plan
    assert "memory: `no limit` → `8 GiB`" in plan
    await desk.says("!deploy tiny --cpu 4 --memory 8g")
    assert "memory: `no limit` → `8 GiB`" in await desk.says("!diff tiny 1")


async def test_what_it_costs_is_told_where_it_is_known(desk, world, tiny):
    assert "Cost" not in await desk.says("!scale tiny 3 --plan")
    world.prices["a"] = Price(Decimal("0.40"), "EUR")
    told = await desk.says("!scale tiny 3 --plan")
    assert "Cost: +0.80 EUR/h (2 replicas more), 1.20 EUR/h in all" in told
    await desk.says(f"!apply {operation_id('$3')}")
    assert len(await world.running()) == 3


@pytest.fixture
def apartless(world):
    """A target of a kind that has no namespaces."""
    world.deployers["a"].capabilities = Capabilities(namespaces="it is all one place")


async def test_a_namespace_is_refused_where_there_are_none_before_anything_happens(
    desk, world, tiny, apartless
):
    before, running = await world.wanted(), await world.running()
    for plan in ("", " --plan"):
        told = await desk.says(f"!deploy tiny --namespace team-a{plan}")
        assert "a has no namespaces: it is all one place" in told
        assert "Leave --namespace out, or choose another target" in told
    assert (await world.wanted(), await world.running()) == (before, running)
    assert (await desk.says("!deploy new tiny://ops --namespace team-a")).startswith("✗")
    assert await world.wanted("new") is None
    assert "already is like that" in await desk.says("!deploy tiny --namespace none")


async def test_a_kind_that_says_nothing_of_namespaces_has_none(desk, world, tiny):
    world.deployers["a"].capabilities = Capabilities()
    told = await desk.says("!deploy tiny --namespace team-a")
    assert "a has no namespaces: its kind does not know them" in told


async def test_a_namespace_of_the_environment_is_passed_over_and_the_plan_alone_says_so(
    desk, world, apartless
):
    prod = replace(desk_module.PROD, defaults=Defaults(namespace="team-a"))
    desk.policy = replace(desk_module.POLICY, rooms={ROOM: prod})
    desk.open()
    note = "Namespace team-a is passed over on a: it is all one place."
    assert (await desk.says("!deploy tiny tiny://ops --plan")).count(note) == 1
    for command in ("!deploy tiny tiny://ops", "!scale tiny 2", "!restart tiny", "!status tiny"):
        told = await desk.says(command)
        assert "✓" in told
        assert "passed over" not in told
    assert (await world.wanted()).namespace == "team-a"
    assert "passed over" not in await desk.says("!stop tiny --plan")


async def test_a_namespace_is_told_wherever_it_is_set(desk, world, tiny):
    assert "amespace" not in await desk.says("!status tiny")
    plan = await desk.says("!deploy tiny --namespace team-a --plan")
    assert "namespace: `none` → `team-a`" in plan
    assert "passed over" not in plan
    assert "✓ tiny is live" in await desk.says("!deploy tiny --namespace team-a")
    assert {each.namespace for each in (await world.seen()).replicas} == {"team-a"}
    told = await desk.says("!status tiny")
    assert "· namespace `team-a`" in told
    assert "target  namespace  phase" in told
    assert "namespace: `none` → `team-a`" in await desk.says("!diff tiny 1")
    assert "namespace: none → team-a" in await desk.says("!history tiny")
    assert "New: tiny://ops on a" in (
        new := await desk.says("!deploy new tiny://ops --namespace team-a --plan")
    )
    assert "namespace: `none` → `team-a`" in new
    await desk.says("!rollback tiny 1")
    assert {each.namespace for each in (await world.seen()).replicas} == {None}
