"""Graphics cards: taken where there are some, done without where not, missed when they go.

Before a real engine that is made to look as if it had cards; what needs no double also runs against
the engine that GANTRY_TEST_GPU_DOCKER names (`unix:///var/run/docker.sock`).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest

from deployers.docker.cards import PATIENCE, CardMemory
from deployers.docker.liveness import verdict
from deployers.docker.opening import deployer
from deployers.docker.ways.connections import connection
from deployers.protocol import Deployer, Tools
from domain import made_of
from domain.errors import Unhealthy
from domain.incidents import Kind
from domain.operations import Operation, State
from domain.replicas import Gpu, Phase
from domain.targets import DockerTarget
from fleet.keeper import Keeper
from fleet.store.database import Store
from tests.contract.stages import TARGET, RealClock, Stage, bring, make_plan, probe
from tests.deployers.heard import heard
from tests.engines import with_cards
from tests.engines.engine import DockerEngine
from tests.engines.gpu_proxy import GpuProxy, Refusal
from tests.engines.images import LLAMACPP
from tests.fleet.world import Time, World

docker_too = [pytest.mark.docker, pytest.mark.engine]
IMAGES = {"llamacpp-cuda": with_cards.REFERENCE, "llamacpp-cpu": LLAMACPP.reference}
GB = 10**9
NAME = "GANTRY_TEST_GPU_DOCKER"


class Hasty(RealClock):
    """Waits, but never for long."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.1))


@dataclass
class Host:
    """An engine with cards, and what tests do there."""

    stage: Stage
    engine: DockerEngine
    proxy: GpuProxy
    tools: Tools
    free: list[int] = field(default_factory=list)
    """Bytes that are free on the card, look by look; the last stays. Empty: nobody can look."""

    def open(self) -> Deployer:
        """A deployer over it."""
        settings = DockerTarget.model_validate(
            {"kind": "docker", "host": self.proxy.unix, "images": IMAGES}
        )
        way = connection(settings, self.tools.clock, self.tools.state_dir / "run")

        async def cards() -> tuple[Gpu, ...] | None:
            if not self.free:
                return None
            free = self.free.pop(0) if len(self.free) > 1 else self.free[0]
            return (Gpu("NVIDIA L4", 24 * GB, free),)

        way.cards = cards  # type: ignore[method-assign]
        made = deployer(TARGET, settings, self.tools, way)
        self.stage.opened.append(made)
        return made

    def containers(self) -> dict[str, tuple[str, str]]:
        """Name -> (id, status) of every container there is."""
        client = self.engine.client()
        try:
            found = client.containers.list(all=True, ignore_removed=True)
            return {each.name: (each.id, each.status) for each in found}
        finally:
            client.close()

    def run(self, container: str, command: list[str]) -> None:
        """Run something inside one."""
        client = self.engine.client()
        try:
            client.containers.get(container).exec_run(command)
        finally:
            client.close()


@pytest.fixture(scope="session")
def engine(docker_engine: DockerEngine) -> DockerEngine:
    client = docker_engine.client()
    with_cards.load(client)
    client.close()
    return docker_engine


@pytest.fixture
async def host(engine: DockerEngine, tmp_path) -> AsyncIterator[Host]:
    with GpuProxy.before(engine.socket, tmp_path) as proxy:
        stage = Stage("docker", tmp_path, engine=engine)
        yield Host(stage, engine, proxy, Tools(probe, Hasty(), tmp_path))
        await stage.close()


async def until(holds, seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


def hardware(seen) -> list[str]:
    return [dict(each.made_of)[made_of.HARDWARE] for each in seen.replicas]


@pytest.fixture(params=["double", "real"])
def gpu_stage(
    request: pytest.FixtureRequest, tmp_path
) -> Iterator[tuple[Stage, dict[str, object]]]:
    if request.param == "double":
        host = request.getfixturevalue("host")
        yield host.stage, {"host": host.proxy.unix, "images": IMAGES}
        return
    url = os.environ.get(NAME)
    if not url:
        pytest.skip(f"no engine with graphics cards: {NAME} names none")
    yield Stage("docker", tmp_path), {"host": url}


@pytest.mark.docker
@pytest.mark.engine
async def test_a_card_is_taken_where_there_is_one_and_that_is_said(gpu_stage):
    stage, settings = gpu_stage
    deployer, told = stage.open(**settings), []
    plan = await make_plan(deployer, stage.good())
    assert (plan.warnings, plan.runs_on) == ((), "graphics card")
    seen = await bring(deployer, stage.good(), told.append)
    try:
        assert [each.phase for each in seen.replicas] == [Phase.READY]
        assert hardware(seen) == ["graphics card"]
        assert "on the graphics card" in [each.text for each in told]
    finally:
        await bring(deployer, stage.spec(0))


@pytest.mark.docker
@pytest.mark.engine
class TestWithCards:
    async def test_all_cards_are_asked_for_by_auto_and_so_many_by_number(self, host):
        deployer, stage = host.open(), host.stage
        seen = await bring(deployer, stage.good())
        (request,) = host.proxy.asked[str(seen.replicas[0].id)]
        assert (request["Count"], request["Capabilities"]) == (-1, [["gpu"]])
        seen = await bring(deployer, stage.spec(gpu=1))
        (request,) = host.proxy.asked[str(seen.replicas[0].id)]
        assert request["Count"] == 1

    async def test_cards_that_an_engine_has_by_name_are_asked_for_by_it(self, host):
        host.proxy.cdi = True
        deployer, stage = host.open(), host.stage
        seen = await bring(deployer, stage.good())
        assert hardware(seen) == ["graphics card"]
        (request,) = host.proxy.asked[str(seen.replicas[0].id)]
        assert (request["Driver"], request["DeviceIDs"]) == ("cdi", ["nvidia.com/gpu=0"])

    @pytest.mark.parametrize("refusal", list(Refusal))
    async def test_auto_falls_back_to_the_processor_and_says_why(self, host, refusal):
        host.proxy.refusal = refusal
        deployer, told = host.open(), []
        seen = await bring(deployer, host.stage.good(), told.append)
        assert [each.phase for each in seen.replicas] == [Phase.READY]
        assert hardware(seen) == [f"processor ({refusal})"]
        assert any(each.text == f"no card: {refusal}" for each in told)
        ((name, (_, status)),) = host.containers().items()
        assert (name, status) == (str(seen.replicas[0].id), "running")

    @pytest.mark.parametrize("refusal", list(Refusal))
    async def test_a_card_that_was_asked_for_and_refused_leaves_all_as_it_was(self, host, refusal):
        deployer, stage = host.open(), host.stage
        before = await bring(deployer, stage.spec(gpu="none"))
        there = host.containers()
        host.proxy.refusal = refusal
        with pytest.raises(Unhealthy) as caught:
            await bring(deployer, stage.spec(gpu=1))
        assert caught.value.failure.kind == "no-gpu"
        assert host.containers() == there
        assert (await deployer.observe("tiny")).ready == before.ready

    async def test_a_lost_card_is_one_incident_and_the_replica_is_made_anew(self, host):
        deployer, stage = host.open(), host.stage
        (replica,) = (await bring(deployer, stage.good())).replicas
        first, _ = host.containers()[str(replica.id)]
        async with heard(deployer) as told:
            host.run(str(replica.id), with_cards.LOSE_CARD)
            await until(lambda: told)
            (lost,) = (await deployer.observe("tiny")).replicas
            assert (lost.phase, lost.endpoint) == (Phase.FAILED, None)
            assert "lost its graphics card" in lost.reason

            seen = await bring(deployer, stage.good())

            second, status = host.containers()[str(replica.id)]
            assert (second != first, status) == (True, "running")
            assert [each.phase for each in seen.replicas] == [Phase.READY]
            await looked_again(deployer)
        assert [(each.kind, each.failure) for each in told] == [(Kind.GPU_LOST, "gpu-lost")]
        assert told[0].evidence == ("Failed to initialize NVML: Unknown Error",)

    async def test_the_keeper_asks_for_one_repair_and_requests_go_nowhere_meanwhile(self, host):
        store = await Store.open(host.stage.root / "gantry.db")
        world, filed = World(store, host.stage.root), []
        deployer = host.open()
        world.deployers = {TARGET: deployer}
        fleet = world.new_fleet()
        await world.change(host.stage.good())
        (place,) = world.asked()
        keeper = Keeper(store, fleet, file_into(store, filed), world.clock, every=10)
        async with heard(deployer) as told:
            await end_all(store)
            await keeper.look()
            assert (filed, world.asked()) == ([], [place])
            host.run(place, with_cards.LOSE_CARD)
            await until(lambda: told)
            for _ in range(3):
                await keeper.look()
            assert world.asked() == []
            (repair,) = filed
            await fleet.change("tiny", repair, lambda it: it, world.asking(repair), told_nobody)
            assert world.asked() == [place]
            await end_all(store)
            await looked_again(deployer)
            await keeper.look()
        assert (len(filed), len(told)) == (1, 1)
        await store.aclose()

    async def test_a_replica_without_its_card_can_be_taken_down(self, host):
        deployer, stage = host.open(), host.stage
        (replica,) = (await bring(deployer, stage.good())).replicas
        async with heard(deployer) as told:
            host.run(str(replica.id), with_cards.LOSE_CARD)
            await until(lambda: told)
            assert (await bring(deployer, stage.spec(0))).replicas == ()
        assert host.containers() == {}

    async def test_memory_that_comes_back_late_delays_the_next_start(self, host):
        deployer, stage, told = host.open(), host.stage, []
        await bring(deployer, stage.spec(gpu=1))
        host.free = [2 * GB]
        await bring(deployer, stage.spec(0), told.append)
        plan = await make_plan(deployer, stage.spec(gpu=1))
        host.free = [2 * GB, 15 * GB, 22 * GB]
        await deployer.apply(plan, told.append)
        waits = [each.text for each in told if each.text.startswith("waiting for the graphics")]
        assert waits == [
            f"waiting for the graphics card's memory: {free} GB free" for free in (2, 15, 22)
        ]

    async def test_systemd_without_cdi_is_warned_of(self, host):
        host.proxy.cgroups = "systemd"
        deployer = host.open()
        (warning,) = (await make_plan(deployer, host.stage.good())).warnings
        assert "systemctl daemon-reload" in warning
        assert (await make_plan(deployer, host.stage.spec(gpu="none"))).warnings == ()
        host.proxy.cdi = True
        assert (await make_plan(host.open(), host.stage.good())).warnings == ()


def told_nobody(news) -> None:
    """Progress that nobody follows."""


def file_into(store: Store, filed: list[Operation]):
    async def file(operation: Operation) -> None:
        async with store.transaction() as tx:
            await tx.operations.file([operation])
        filed.append(operation)

    return file


async def end_all(store: Store) -> None:
    """Nobody is changing anything any more."""
    async with store.transaction() as tx:
        for each in await tx.operations.unended():
            await tx.operations.ended(each.id, State.SUCCEEDED, "", each.said_at)


async def looked_again(deployer: Deployer) -> None:
    """Once more, in every container."""
    assert await deployer._liveness.look() == []  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("answer", "lost"),
    [
        ("GPU 0: NVIDIA L4 (UUID: GPU-1d2e)", False),
        ("Failed to initialize NVML: Unknown Error", True),
        ("Failed to initialize NVML: Driver/library version mismatch\nNVML library 550", True),
        ("No devices were found", True),
        ("Unable to determine the device handle for GPU 0000:01:00.0: GPU is lost.", True),
        ('exec: "nvidia-smi": executable file not found in $PATH', False),
        ("", False),
    ],
)
def test_only_the_words_of_nvidia_smi_itself_are_believed(answer, lost):
    assert (verdict(answer) is not None) is lost


class Cards:
    """What an engine's host tells of its cards, look by look."""

    def __init__(self, *free: int | None) -> None:
        self.free = list(free)

    async def cards(self):
        free = self.free.pop(0) if len(self.free) > 1 else self.free[0]
        return None if free is None else (Gpu("NVIDIA L4", 24 * GB, free),)


@pytest.mark.parametrize(
    ("free", "waited"),
    [
        ((2 * GB, 20 * GB, 20 * GB), 1),
        ((None,), 0),
        ((2 * GB, None), 0),
        ((2 * GB,), PATIENCE),
    ],
)
async def test_memory_is_waited_for_as_long_as_it_moves_and_not_for_ever(free, waited):
    clock, told = Time(), []
    memory = CardMemory(Cards(*free), clock)  # type: ignore[arg-type]
    await memory.note()
    await memory.settled("start x", "x", told.append)
    assert clock.seconds == waited
    assert len(told) == waited
    await memory.settled("start x", "x", told.append)
    assert clock.seconds == waited
