"""`!status` of more services than one looks through."""

import pytest

from commands.status import A_GLANCE
from tests.fleet.world import spec


@pytest.fixture
async def many(world):
    """One more than a glance takes in: the last is broken, the first is stopped."""
    names = [f"s{number:02}" for number in range(A_GLANCE + 1)]
    for name in names:
        await world.change(spec(name=name, a=0 if name == names[0] else 1), f"deploy {name}")
    (world.root / "targets" / "a" / f"{names[-1]}.json").unlink()
    return names


async def test_many_services_are_counted_and_those_in_trouble_come_first(desk, many):
    first, head, *rows = (await desk.says("!status")).splitlines()
    counts = f"1 not as wanted, {A_GLANCE - 1} as wanted, 1 stopped"
    assert first == f"{A_GLANCE + 1} services: {counts}. `!status NAME` tells more of one"
    assert head.split()[:2] == ["service", "ready"]
    assert [row.split()[0] for row in rows] == [many[-1], *many[1:-1], many[0]]


async def test_a_few_stay_in_order_of_their_names(desk, many):
    await desk.says(f"!remove {many[5]}")
    head, *rows = (await desk.says("!status")).splitlines()
    assert head.split()[:2] == ["service", "ready"]
    assert [row.split()[0] for row in rows] == [name for name in many if name != many[5]]
