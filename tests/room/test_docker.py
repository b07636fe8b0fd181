"""A room whose target is a Docker engine: the same words, the same answers."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.demo.homeserver import Homeserver
from tests.engines.engine import DockerEngine
from tests.engines.images import LLAMACPP, STUB

from .conftest import Room, opened

pytestmark = [pytest.mark.room, pytest.mark.engine, pytest.mark.docker]


@pytest.fixture
async def docker_room(
    homeserver: Homeserver, docker_engine: DockerEngine, tmp_path: Path
) -> AsyncIterator[Room]:
    """A room of its own, with an engine that holds nothing."""
    docker_engine.remove_containers()
    target = {
        "kind": "docker",
        "host": docker_engine.unix,
        "images": {"llamacpp": LLAMACPP.reference},
    }
    ours = {"targets": {"local": target}, "environments": {"test": {"targets": ["local"]}}}
    async with opened(homeserver, tmp_path, **ours) as made:
        yield made
    docker_engine.remove_containers()


async def test_what_works_on_processes_works_on_docker(
    docker_room: Room, docker_engine: DockerEngine
):
    room = docker_room
    targets = await room.says("!targets")
    assert "docker" in targets.text
    assert "✓" in targets.text

    deployed = await room.says("!deploy tiny tiny://ops")
    assert deployed.state == "succeeded", deployed
    assert re.search(r"✓ tiny is live on local: 1 replica of revision `\w{6}`", deployed.text)
    asked = await room.says("!infer tiny --temperature 0 what is a container?")
    assert "container" in asked.text.lower()
    assert (await room.says("!scale tiny 2")).state == "succeeded"
    assert "✓ 2/2" in (await room.says("!status")).text
    assert "listening" in (await room.says("!logs tiny --tail 200")).text

    before = set(docker_engine.running())
    assert (await room.says("!restart tiny")).state == "succeeded"
    assert not before & set(docker_engine.running())
    assert (await room.says("!rollback tiny")).state == "succeeded"
    assert (await room.says("!stop tiny")).state == "succeeded"
    assert docker_engine.running() == {}
    assert (await room.says("!remove tiny")).state == "succeeded"


async def test_a_deployment_cut_off_by_a_kill_is_finished_in_the_same_message(
    docker_room: Room, docker_engine: DockerEngine
):
    room = docker_room
    command = await room.person.types(room.id, "!deploy tiny tiny://ops --replicas 2")
    while not docker_engine.running():
        await asyncio.sleep(0.02)
    await room.bot.kill()
    await room.bot.start()

    deployed = await room.ends(command)

    assert deployed.state == "succeeded", deployed
    assert "2 replicas" in deployed.text
    assert len(docker_engine.running()) == 2
    assert "✓ 2/2" in (await room.says("!status")).text


async def test_what_fails_in_a_container_reads_like_advice_and_the_old_version_serves(
    docker_room: Room, docker_engine: DockerEngine
):
    room = docker_room
    assert (await room.says("!deploy tiny tiny://ops")).state == "succeeded"
    before = docker_engine.running()

    broken = await room.says(
        f"!deploy tiny --image {STUB.reference} --env EXIT_CODE=1 "
        '--env "LOG_TEXT=torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."'
    )
    missing = await room.says("!deploy tiny --image gantry-test/nothing:1")
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        taken = await room.says(f"!deploy other tiny://ops --set port={port}")

    assert broken.state == missing.state == taken.state == "failed"
    assert "the graphics card has too little free memory" in broken.text
    assert "The version before" in broken.text
    assert "gantry-test/nothing:1 cannot be pulled" in missing.text
    assert "Leave `--set port` out" in taken.text
    assert docker_engine.running().items() >= before.items()
    assert (await room.says("!infer tiny what is a gpu?")).state == "succeeded"
