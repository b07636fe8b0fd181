"""Fifty containers at once on one engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import docker
import pytest

from deployers.protocol import Deployer
from domain.plans import StepKind
from domain.replicas import Phase
from domain.services import ServiceSpec
from tests.contract.stages import Stage, bring, ignore, make_plan
from tests.engines.engine import DockerEngine
from tests.engines.images import CALM, LLAMACPP

pytestmark = [pytest.mark.docker, pytest.mark.engine]

_FIFTY = 50
_PATIENCE = 300.0


@pytest.fixture
async def stage(docker_engine: DockerEngine, tmp_path: Path) -> AsyncIterator[Stage]:
    client = docker_engine.client()
    CALM.load(client)
    client.close()
    ours = {"host": docker_engine.unix, "images": {"llamacpp": LLAMACPP.reference}}
    stage = Stage("docker", tmp_path, ours, docker_engine)
    yield stage
    await stage.close()


def stub(stage: Stage, replicas: int = 1, **fields: Any) -> ServiceSpec:
    said = {"engine": "custom", "image": CALM.reference, "settings": (("listens", "8080"),)}
    patient = {"context": None, "startup_budget": _PATIENCE}
    return stage.spec(replicas, **(said | patient | fields))


async def brought(deployer: Deployer, want: ServiceSpec) -> None:
    plan = await make_plan(deployer, want)
    await deployer.apply(plan, ignore)


async def test_fifty_that_start_at_once_all_get_there_and_so_does_one_beside(
    stage: Stage, docker_engine: DockerEngine
):
    deployer = stage.open()
    many = [stub(stage).model_copy(update={"name": f"many-{n}"}) for n in range(_FIFTY)]
    starting = [asyncio.create_task(brought(deployer, want)) for want in many]
    async with asyncio.timeout(_PATIENCE):
        while not docker_engine.running():
            await asyncio.sleep(0.05)
        assert (await deployer.inspect()).reachable
        assert not all(each.done() for each in starting)
        beside = await bring(deployer, stage.good())
        await asyncio.gather(*starting)
        seen = await asyncio.gather(*(deployer.observe(want.name) for want in many))

    assert [replica.phase for replica in beside.replicas] == [Phase.READY]
    assert [len(each.ready) for each in seen] == [1] * _FIFTY
    assert len({each.ready[0].endpoint for each in seen}) == _FIFTY
    assert len(docker_engine.running()) == _FIFTY + 1


async def test_a_step_looks_at_its_own_replica_and_at_no_other(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    deployer = stage.open()
    await brought(deployer, stub(stage, 3))
    plan = await make_plan(deployer, stub(stage, 4))
    looked: set[str] = set()
    real = docker.APIClient.inspect_container

    def looks(client: docker.APIClient, container: str) -> dict[str, Any]:
        found: dict[str, Any] = real(client, container)
        looked.add(found["Name"].lstrip("/"))
        return found

    monkeypatch.setattr(docker.APIClient, "inspect_container", looks)
    fourth = next(step.replica for step in plan.steps if step.kind is StepKind.START)
    for step in plan.steps:
        if step.replica == fourth and step.kind in (StepKind.START, StepKind.WAIT_READY):
            await deployer.apply(plan.only(step), ignore)

    assert looked == {str(fourth)}
