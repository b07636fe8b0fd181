"""A daemon that comes and goes, and more readers than threads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from deployers.protocol import Deployer
from domain.errors import Refused, TargetError
from domain.replicas import Phase, ReplicaId
from tests.contract.stages import Stage, bring
from tests.deployers.docker.followers import followed_by
from tests.engines.engine import DockerEngine
from tests.engines.images import CALM, LLAMACPP

pytestmark = [
    pytest.mark.docker,
    pytest.mark.engine,
    # docker-py leaves a socket open that did not connect; when that is seen is chance.
    pytest.mark.usefixtures("swept"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"),
]

_FOLLOWERS = 40
_PATIENCE = 30.0


@pytest.fixture
async def stage(docker_engine: DockerEngine, tmp_path: Path) -> AsyncIterator[Stage]:
    ours = {"host": docker_engine.unix, "images": {"llamacpp": LLAMACPP.reference}}
    stage = Stage("docker", tmp_path, ours, docker_engine)
    yield stage
    await stage.close()


async def _deploy(deployer: Deployer, stage: Stage) -> None:
    want = stage.good()
    have, facts = await deployer.observe(want.name), await deployer.inspect()
    await deployer.apply(deployer.plan(want, have, facts, "1"), lambda _: None)


async def test_a_daemon_that_was_stopped_and_started_is_used_again_by_the_same_deployer(
    stage: Stage, docker_engine: DockerEngine
):
    deployer = stage.open()
    await _deploy(deployer, stage)

    docker_engine.stop()
    try:
        facts = await deployer.inspect()
        with pytest.raises(TargetError):
            await deployer.observe("tiny")
    finally:
        docker_engine.start()
    assert not facts.reachable
    assert "systemctl start docker" in facts.advice

    async with asyncio.timeout(_PATIENCE):
        while True:
            replicas = (await deployer.observe("tiny")).replicas
            if [replica.phase for replica in replicas] == [Phase.READY]:
                break
    assert (await deployer.inspect()).reachable


async def test_forty_followers_at_once_starve_no_call(stage: Stage):
    deployer = stage.open()
    await _deploy(deployer, stage)
    replica: ReplicaId = (await deployer.observe("tiny")).replicas[0].id
    async with (
        asyncio.timeout(_PATIENCE),
        followed_by(_FOLLOWERS, deployer, replica) as followers,
    ):
        assert (await deployer.inspect()).reachable
        assert (await deployer.observe("tiny")).replicas[0].phase is Phase.READY
        assert not any(each.done() for each in followers)


async def test_a_replica_whose_image_is_removed_serves_on_and_the_next_start_is_refused(
    stage: Stage, docker_engine: DockerEngine
):
    client, deployer = docker_engine.client(), stage.open()
    CALM.load(client)
    made = {"engine": "custom", "image": CALM.reference, "context": None}
    want = stage.spec(**made, settings=(("listens", "8080"),))
    before = await bring(deployer, want)

    client.images.remove(CALM.reference, force=True)
    client.close()
    with pytest.raises(Refused, match=f"{CALM.reference} cannot be pulled"):
        await bring(deployer, want.model_copy(update={"env": (("ANOTHER", "1"),)}))

    assert (await deployer.observe(want.name)).ready == before.ready
