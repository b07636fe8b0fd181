"""`!status` of more services than one looks through."""

import pytest

from commands.status import A_GLANCE
from domain.usage import Fault
from inference.engine_metrics import EngineMetrics
from tests.fleet.world import spec
from tests.inference.served import served


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


async def test_what_was_asked_of_a_service_lately_is_told_with_how_it_went(desk, world):
    await world.change(spec())
    assert "last minute" not in await desk.says("!status tiny")
    for first in (0.1, 0.3):
        desk.telemetry.publish(served(first_token=first, seconds=first + 1, completion_tokens=21))
    desk.telemetry.publish(served(fault=Fault.SILENT, first_token=None, completion_tokens=None))
    told = (
        "In the last minute: 3 requests, 1 not answered whole (1 silent) · first token after "
        "100 ms, 95 of 100 within 300 ms · 42 tokens at 20 tokens/s"
    )
    assert told in (await desk.says("!status tiny")).splitlines()


async def test_an_engine_with_something_to_do_is_quoted(desk, world):
    await world.change(spec())
    (endpoint,) = world.endpoints.of("tiny")
    desk.telemetry.instruments = Engines({endpoint.place: EngineMetrics(running=0, waiting=0)})
    assert "engines say" not in await desk.says("!status tiny")
    said = EngineMetrics(running=2, waiting=1, kv_cache_usage=0.5)
    desk.telemetry.instruments = Engines({endpoint.place: said})
    lines = (await desk.says("!status tiny")).splitlines()
    assert f"The engines say: {endpoint.replica} on a: 2 running, 1 waiting, KV cache 50 %" in lines


class Engines:
    def __init__(self, told):
        self.told = told

    async def engines(self, service):
        return self.told
