"""A room whose target is a Docker engine: the same words, the same answers."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Adopting:
    """A room, and a Compose project beside its bot that serves a model called `chat`."""

    room: Room
    engine: DockerEngine
    project: Path

    def compose(self, *words: str) -> None:
        """What a person at the command line does with it."""
        told = {name: os.environ[name] for name in ("PATH", "DOCKER_CONFIG")}
        subprocess.run(
            ("docker", "compose", "--project-directory", str(self.project), *words),
            env=told | {"DOCKER_HOST": self.engine.unix},
            capture_output=True,
            check=True,
        )


@pytest.fixture
async def adopting(
    homeserver: Homeserver,
    docker_engine: DockerEngine,
    compose_plugins: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Adopting]:
    """A room of its own, with an engine that holds nothing; its target may adopt."""
    monkeypatch.setenv("DOCKER_CONFIG", str(compose_plugins))
    docker_engine.remove_containers()
    project = tmp_path / "projects" / "chatty"
    project.mkdir(parents=True)
    (project / "compose.yaml").write_text(_PROJECT)
    target = {"kind": "docker", "host": docker_engine.unix, "projects_dir": str(project.parent)}
    ours = {"targets": {"local": target}, "environments": {"test": {"targets": ["local"]}}}
    async with opened(homeserver, tmp_path, **ours) as room:
        made = Adopting(room, docker_engine, project)
        yield made
        made.compose("down")
    docker_engine.remove_containers()


_PROJECT = f"""\
services:
  server:
    image: {STUB.reference}
    command: ["--alias", "chat"]
    ports: ["127.0.0.1::8080"]
  side: {{image: "{STUB.reference}"}}
"""


async def test_a_compose_project_is_adopted_served_and_taken_down_from_a_room(adopting: Adopting):
    room, engine = adopting.room, adopting.engine
    planned = await room.says(f"!deploy chat compose:{adopting.project} --plan")
    assert planned.state == "succeeded", planned
    assert engine.running() == {}

    deployed = await room.says(f"!deploy chat compose:{adopting.project}")

    assert deployed.state == "succeeded", deployed
    assert "✓ chat is live on local: 1 replica" in deployed.text
    assert sorted(engine.running().values()) == ["chatty-server-1", "chatty-side-1"]
    assert "Nobody thought of this answer." in (await room.says("!infer chat who?")).text
    assert "✓ 1/1" in (await room.says("!status")).text
    assert "stub: serving" in (await room.says("!logs chat")).text
    before = set(engine.running())
    assert (await room.says("!restart chat --strategy recreate")).state == "succeeded"
    assert not before & set(engine.running())
    assert (await room.says("!remove chat")).state == "succeeded"
    assert engine.running() == {}
    assert (adopting.project / "compose.yaml").read_text() == _PROJECT


async def test_a_project_that_runs_by_itself_is_refused_with_what_to_do_and_then_adopted(
    adopting: Adopting,
):
    room, engine = adopting.room, adopting.engine
    adopting.compose("up", "--detach")
    before = engine.running()

    refused = await room.says(f"!deploy chat compose:{adopting.project}")

    assert refused.state == "failed"
    assert "the project chatty is on that host already" in refused.text
    assert "docker compose -p chatty down" in refused.text
    assert engine.running() == before
    adopting.compose("down")
    deployed = await room.says(f"!deploy chat compose:{adopting.project}")
    assert deployed.state == "succeeded", deployed
