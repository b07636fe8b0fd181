"""What can be read of a fleet, by Prometheus and for `!status`."""

import asyncio
import re
import socket
import subprocess
import sys

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr

from bot.health import Pulse
from bot.health_pages import answering
from bot.metrics_page import metrics_page
from bot.telemetry import FleetInstruments, Telemetry
from deployers.guard import guarded
from domain.backends import Backend
from domain.breaker import State
from domain.errors import Unreachable
from domain.replicas import ReplicaId
from inference.engine_metrics import EngineMetrics
from inference.health import Health
from inference.readings import Figures, Reading
from tests.fleet.world import spec
from tests.inference.served import served


@pytest.fixture
async def http():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def engine():
    """The URL of a server that tells of itself as vLLM does."""

    async def told(request):
        return web.Response(text="vllm:num_requests_running 3\n")

    app = web.Application()
    app.router.add_get("/metrics", told)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
def instruments(world, http):
    guards = {
        name: guarded(name, "rehearsal", each, world.clock)
        for name, each in world.deployers.items()
    }
    return FleetInstruments(
        world.endpoints, Health(world.endpoints, world.clock), http, world.store, guards
    )


async def test_a_fleet_is_read_whole(world, instruments, engine):
    await world.change(spec(a=2))
    replica = ReplicaId("other", "3fa9c1", 0)
    instruments.endpoints.admit(replica, engine, target="b")
    with instruments.endpoints.lease(replica, target="b"):
        reading = await instruments.reading()
    (upstream,) = [each for each in reading.upstreams if each.service == "other"]
    assert (upstream.in_flight, upstream.target, upstream.admitted) == (1, "b", True)
    assert upstream.engine == EngineMetrics(running=3, engine="vllm")
    assert reading.wanted == {"tiny": 2}
    assert reading.ready["other"] == 1
    assert reading.targets == {"a": State.CLOSED, "b": State.CLOSED}


async def test_the_breaker_of_a_silent_target_is_told(world, instruments):
    async def silent(service):
        raise Unreachable("a is away")

    world.deployers["a"].observe = silent
    for _ in range(3):
        with pytest.raises(Unreachable):
            await instruments.deployers["a"].observe("tiny")
    assert (await instruments.reading()).targets == {"a": State.OPEN, "b": State.CLOSED}


async def test_a_backend_that_others_run_is_told_with_how_it_answers(world, instruments, http):
    key = SecretStr("open-sesame-42")
    world.endpoints.admit_backend(Backend("studio", "lmstudio", "http://studio:1234", key))
    (studio,) = world.endpoints.of("studio")
    telemetry = Telemetry(world.clock)
    telemetry.instruments = instruments
    write = metrics_page(telemetry, "1.2.3")
    telemetry.publish(served(model="studio", backend="studio", replica="", target=""))

    async def states():
        page = (await write())[1].decode()
        assert "sesame" not in page
        assert "1234" not in page
        where = 'replica="",service="studio",target=""'
        assert f"gantry_requests_in_flight{{{where}}} 1.0" in page
        assert 'gantry_replicas_ready{service="studio"} 1.0' in page
        assert 'backend="studio",model="studio",operation="chat",status="2xx"} 1.0' in page
        told = re.findall(r'upstream_breaker_state{.*"studio",state="(.*)",target=""} (.*)', page)
        assert len(told) == 4
        return [state for state, value in told if value == "1.0"]

    with world.endpoints.lease(studio.replica):
        assert await states() == ["closed"]
        instruments.health.cooling.begin(studio, 30)
        assert await states() == ["cooling"]
        instruments.health.failed(studio, "it is gone", certain=True)
        assert await states() == ["open"]


async def test_what_drains_is_in_flight_to_its_end_also_as_the_last_of_its_service(
    world, instruments
):
    replica = ReplicaId("other", "3fa9c1", 0)
    instruments.endpoints.admit(replica, "http://127.0.0.1:9", target="b")
    with instruments.endpoints.lease(replica, target="b"):
        draining = asyncio.create_task(instruments.endpoints.drain(replica, 10, target="b"))
        await asyncio.sleep(0)
        (upstream,) = (await instruments.reading()).upstreams
    assert (upstream.service, upstream.in_flight, upstream.admitted) == ("other", 1, False)
    await draining


async def test_a_state_that_does_not_answer_costs_only_what_it_holds(
    world, instruments, engine, monkeypatch
):
    monkeypatch.setattr("bot.telemetry.STORE_LIMIT", 0.05)
    await world.change(spec())
    instruments.endpoints.admit(ReplicaId("other", "3fa9c1", 0), engine)
    async with world.store.transaction():
        reading = await instruments.reading()
    assert reading.wanted == {}
    assert "other" in reading.ready
    assert (await instruments.reading()).wanted == {"tiny": 1}


async def test_figures_of_a_service_are_its_traffic_and_its_engines(world, instruments, engine):
    telemetry = Telemetry(world.clock)
    assert await telemetry.of("tiny") == Figures()
    assert await telemetry.reading() == Reading()
    replica = ReplicaId("tiny", "3fa9c1", 0)
    instruments.endpoints.admit(replica, engine, target="a")
    telemetry.instruments = instruments
    telemetry.publish(served())
    figures = await telemetry.of("tiny")
    assert figures.traffic.requests == 1
    assert figures.engines == {("a", replica): EngineMetrics(running=3, engine="vllm")}


async def test_the_page_is_served_with_the_health_pages_whether_or_not_there_is_a_fleet(
    world, instruments, http
):
    telemetry = Telemetry(world.clock)
    page = metrics_page(telemetry, "1.2.3")
    pulse = Pulse(world.store.flaw, world.clock)
    world.clock.flows = False
    async with asyncio.timeout(10):
        port = _free()
        url = f"http://127.0.0.1:{port}/metrics"
        async with answering(pulse, f"127.0.0.1:{port}", str, page):
            async with http.get(url) as answer:
                assert answer.status == 200
                assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
                alone = await answer.text()
            telemetry.publish(served())
            telemetry.instruments = instruments
            async with http.get(url) as answer:
                both = await answer.text()
    assert 'gantry_build_info{version="1.2.3"} 1.0' in alone
    assert "gantry_target_breaker_state{" not in alone
    assert 'gantry_target_breaker_state{state="closed",target="a"} 1.0' in both
    assert 'operation="chat",status="2xx"} 1.0' in both


async def test_without_somebody_to_write_it_there_is_no_page(world, http):
    world.clock.flows = False
    port = _free()
    async with (
        answering(Pulse(world.store.flaw, world.clock), f"127.0.0.1:{port}", str),
        http.get(f"http://127.0.0.1:{port}/metrics") as answer,
    ):
        assert answer.status == 404


def _free():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_bot_without_the_page_does_not_load_prometheus_client():
    command = "import sys, bot.serving; print('prometheus_client' in sys.modules)"
    ran = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, check=True, text=True
    )
    assert ran.stdout == "False\n"
