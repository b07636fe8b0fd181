"""What the room reads where something does not fit, and where it would."""

from dataclasses import replace

import pytest

from domain.access import Environment
from domain.fit import Need
from tests.fleet.test_fitting import GB, Scant

from .desk import POLICY
from .homeserver import ROOM
from .test_worker import BOB, EVE


class Roomy(Scant):
    """A target of another name and size, on which the context decides what a replica takes."""

    def __init__(self, real, name, memory):
        super().__init__(real, memory, size=memory * 5 // 6)
        self.name = name

    async def inspect(self):
        return replace(await super().inspect(), target=self.name)

    async def need(self, want):
        tokens = want.context or 20_000
        return Need(2 * GB, 100_000 * tokens, 0, tokens, 1, "Q8_0")


@pytest.fixture
async def targets(desk, world):
    """`a` with 3 GB and `b` with 10, both of the room's environment."""
    for name, memory in (("a", 3 * GB), ("b", 10 * GB)):
        world.deployers[name] = Roomy(world.deployers[name], name, memory)
    desk.policy = replace(POLICY, rooms={ROOM: Environment("prod", ("a", "b"), "a")})
    await desk.restart()


async def test_a_refusal_shows_the_sum_and_what_would_fit(desk, world, targets):
    told = await desk.says("!deploy tiny tiny://ops")
    assert "tiny does not fit on a: 2.0 GB weights + 2.0 GB for 20000 tokens + 0 B" in told
    assert "= 4.0 GB of 3.0 GB free memory" in told
    assert "Nothing was changed." in told
    assert "`--ctx 9216`" in told
    assert "`--target b`, where 10.0 GB are free" in told
    assert "`--force`" in told
    assert (await world.seen()).replicas == ()


@pytest.mark.parametrize("way", ["--ctx 9216", "--target b"])
async def test_what_is_proposed_works(desk, world, targets, way):
    assert "is live" in await desk.says(f"!deploy tiny tiny://ops {way}")


async def test_a_plan_says_that_it_does_not_fit_and_applying_it_is_refused(desk, targets):
    plan = await desk.says("!deploy tiny tiny://ops --plan", sender=BOB)
    assert "Does not fit on a: 2.0 GB weights" in plan
    name = plan.split("`")[1]
    assert "does not fit on a" in await desk.says(f"!apply {name}")


async def test_where_lists_the_targets_with_the_best_first(desk, targets):
    told = await desk.says("!where tiny://ops")
    lines = told.splitlines()
    assert [line.split()[0] for line in lines if " of " in line] == ["b", "a"]
    assert "`!deploy NAME tiny://ops --target b`" in told
    assert "not known" in told
    await desk.says("!deploy tiny tiny://ops --target b --ctx 512")
    assert "(this model, once)" in await desk.says("!where tiny://ops")


async def test_where_is_for_those_who_could_deploy_it(desk, targets):
    assert "takes the role operator" in await desk.says("!where path:/etc/shadow", sender=BOB)
    assert "takes the role" in await desk.says("!where tiny://ops", sender=EVE)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("!where", "needs a SOURCE"),
        ("!where qwen", "is not a model source"),
        ("!where tiny://ops --ctx 1", "is not a whole number"),
        ("!where tiny://ops --replicas 0", "run nothing"),
    ],
)
async def test_a_question_that_makes_no_sense_is_told_so(desk, targets, line, why):
    assert why in await desk.says(line)


async def test_an_update_that_would_interrupt_says_how_long_and_how(desk, world, targets):
    await desk.says("!deploy tiny tiny://ops --ctx 5000")
    told = await desk.says("!deploy tiny tiny://other")
    assert "would have to stop before the new version starts" in told
    assert "`--strategy recreate` does that, and tiny does not serve for about" in told
    plan = await desk.says("!deploy tiny tiny://other --plan")
    assert "On a the old stop before the new start, because old and new do not fit at once" in plan
    assert "tiny does not serve between step 2 and step 6. That is for about" in plan
    assert "is live" in await desk.says("!deploy tiny tiny://other --strategy recreate")
