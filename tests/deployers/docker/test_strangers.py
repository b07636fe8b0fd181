"""Containers that are not ours are left alone, whatever they are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from domain.errors import Refused, Unhealthy, Unsupported
from tests.contract.stages import Stage, bring, make_plan
from tests.engines.engine import DockerEngine
from tests.engines.images import LLAMACPP, STUB


@pytest.fixture
def stage(docker_engine: DockerEngine, tmp_path: Path):
    """An empty target, and an engine that is empty again afterwards."""
    ours = {"host": docker_engine.unix, "images": {"llamacpp": LLAMACPP.reference}}
    yield Stage("docker", tmp_path, ours, docker_engine)
    docker_engine.remove_containers()


async def test_a_stranger_with_a_replicas_name_is_said_and_stays(
    stage: Stage, docker_engine: DockerEngine
):
    client = docker_engine.client()
    name = f"tiny-{stage.good().revision}-0"
    stranger = client.containers.run(STUB.reference, name=name, detach=True)
    deployer = stage.open()

    with pytest.raises(Refused, match="not Gantry's has the name"):
        await bring(deployer, stage.good())
    await bring(deployer, stage.good(0))

    stranger.reload()
    assert stranger.status == "running"
    assert (await deployer.observe("tiny")).replicas == ()
    await deployer.aclose()
    client.close()


async def test_what_the_engine_will_not_start_leaves_nothing(
    stage: Stage, docker_engine: DockerEngine
):
    deployer = stage.open()
    missing = stage.spec(engine="custom", image=STUB.reference, settings=(("port", "1"),))
    plan = await make_plan(deployer, missing)
    client = docker_engine.client()
    busy = client.containers.run(STUB.reference, ports={"8080/tcp": ("127.0.0.1", 1)}, detach=True)

    with pytest.raises(Unhealthy) as caught:
        await deployer.apply(plan, lambda _: None)

    assert caught.value.failure.kind == "port-taken"
    assert [each.id for each in client.containers.list(all=True)] == [busy.id]
    await deployer.aclose()
    client.close()


async def test_more_cores_than_the_host_has_are_refused_in_the_plan(stage: Stage):
    deployer = stage.open()
    with pytest.raises(Unsupported, match="cores, not 1000"):
        await make_plan(deployer, stage.spec(cpus=1000.0))
    await deployer.aclose()


async def test_limits_are_the_containers(stage: Stage, docker_engine: DockerEngine):
    deployer = stage.open()
    want = stage.spec(cpus=0.5, memory=512 << 20)
    await bring(deployer, want)
    client = docker_engine.client()

    made = client.containers.get(f"tiny-{want.revision}-0").attrs["HostConfig"]

    assert (made["NanoCpus"], made["Memory"], made["MemorySwap"]) == (
        500_000_000,
        512 << 20,
        512 << 20,
    )
    await deployer.aclose()
    client.close()
