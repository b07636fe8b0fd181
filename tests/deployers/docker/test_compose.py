"""Replicas as Compose projects, on a real engine."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deployers.docker import hardware
from deployers.docker.api import Answer, Api
from deployers.docker.compose.driving import Compose
from deployers.docker.compose.program import Program
from deployers.docker.container import REPLICA, SERVICE, Container
from deployers.docker.shelf import Mount
from deployers.docker.ways.unix import UnixConnection
from domain.errors import Refused, Unhealthy, Unsupported
from domain.progress import Progress
from tests.contract.stages import TARGET, Stage, bring, make_plan
from tests.engines.engine import DockerEngine
from tests.engines.images import LLAMACPP, STUB

pytestmark = [pytest.mark.docker, pytest.mark.engine]

NAME = "stub-3fa9c1-0"


@pytest.fixture
async def stage(
    docker_engine: DockerEngine,
    compose_plugins: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Stage]:
    """An empty target that asks for no Compose; a service may."""
    monkeypatch.setenv("DOCKER_CONFIG", str(compose_plugins))
    ours = {"host": docker_engine.unix, "images": {"llamacpp": LLAMACPP.reference}}
    made = Stage("docker", tmp_path, ours, docker_engine)
    yield made
    await made.close()


@pytest.fixture
async def compose(stage: Stage, docker_engine: DockerEngine) -> AsyncIterator[Compose]:
    """What brings replicas up, by itself."""
    connection = UnixConnection(docker_engine.socket)
    api = Api(TARGET, connection)
    yield Compose(api, connection, Program(stage.root / "docker-config"), always=True)
    await api.aclose()


def stub(**fields: Any) -> Container:
    told = {
        "name": NAME,
        "image": STUB.reference,
        "command": (),
        "port": 8080,
        "publish": ("127.0.0.1", 0),
        "labels": {SERVICE: "stub", REPLICA: NAME},
    }
    return Container(**(told | fields))


def containers(engine: DockerEngine) -> dict[str, dict[str, Any]]:
    client = engine.client()
    try:
        return {str(each.name): each.attrs for each in client.containers.list(all=True)}
    finally:
        client.close()


def compose_says(engine: DockerEngine, *words: str) -> str:
    """What a person at the host is told."""
    told = {name: os.environ[name] for name in ("PATH", "DOCKER_CONFIG")}
    done = subprocess.run(
        ["docker", "compose", *words],
        env=told | {"DOCKER_HOST": engine.unix},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


def telling(container: dict[str, Any]) -> dict[str, Any]:
    """What matters of a container, by whichever way it was made."""
    config, host = dict(container["Config"]), dict(container["HostConfig"])
    config["Env"] = sorted(config["Env"])
    ours = {k: v for k, v in config["Labels"].items() if k.startswith("gantry.")}
    config["Labels"] = {k: v for k, v in ours.items() if k not in (REPLICA, "gantry.revision")}
    # Compose tells volumes in the short writing since 2.40, and they get another mode by that.
    mounts = [{k: v for k, v in each.items() if k != "Mode"} for each in container["Mounts"]]
    mounts.sort(key=lambda mount: str(mount["Destination"]))
    for noise in ("Hostname", "Image", "AttachStdout", "AttachStderr"):
        config.pop(noise, None)
    for noise in ("Binds", "ContainerIDFile", "NetworkMode", "Mounts"):
        host.pop(noise, None)
    said = {key: value or None for key, value in {**config, **host}.items()}
    return said | {"mounts": mounts}


async def test_a_replica_is_the_same_with_compose_and_without(
    stage: Stage, docker_engine: DockerEngine
):
    env = (("A", "$HOME ${X} $$"), ("B", "1e3"), ("C", "no"), ("D", 'a\n"ü\t#: '), ("E", ""))
    plain = stage.spec(env=env)
    project = plain.model_copy(update={"compose": True})
    await bring(stage.open(), plain)
    [direct] = containers(docker_engine).values()

    seen = await bring(stage.open(), project)

    [composed] = containers(docker_engine).values()
    assert telling(composed) == telling(direct)
    assert set(env) <= {tuple(each.split("=", 1)) for each in composed["Config"]["Env"]}
    [listed] = json.loads(compose_says(docker_engine, "ls", "--format", "json"))
    assert listed["Name"] == str(seen.ready[0].id)
    assert "com.docker.compose.project" not in direct["Config"]["Labels"]


async def test_projects_make_no_networks_and_say_nothing_of_the_bots_machine(
    stage: Stage, docker_engine: DockerEngine
):
    await bring(stage.open(compose=True), stage.good(1))

    [made] = containers(docker_engine).values()
    client = docker_engine.client()
    names = {network.name for network in client.networks.list()}
    client.close()
    assert names == {"bridge", "host", "none"}
    assert str(stage.root) not in json.dumps(made["Config"])


async def test_a_project_that_somebody_takes_down_comes_again_with_its_volume(
    stage: Stage, docker_engine: DockerEngine
):
    volume = f"t-{os.urandom(4).hex()}"
    deployer = stage.open(compose=True, volume=volume)
    seen = await bring(deployer, stage.good(1))

    compose_says(docker_engine, "-p", str(seen.ready[0].id), "down", "--volumes")

    assert (await deployer.observe("tiny")).replicas == ()
    client = docker_engine.client()
    volumes = {each.name for each in client.volumes.list()}
    client.close()
    assert volume in volumes
    assert len((await bring(deployer, stage.good(1))).ready) == 1


async def test_a_card_that_is_refused_leaves_nothing(compose: Compose, docker_engine: DockerEngine):
    with pytest.raises(Answer, match="could not select device driver") as caught:
        await compose.up(stub(gpus=-1))

    assert hardware.refused(str(caught.value))
    assert containers(docker_engine) == {}


async def test_without_a_card_after_all_it_runs_on_the_processor(
    stage: Stage, docker_engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hardware, "trouble", lambda info: None)
    news: list[Progress] = []

    seen = await bring(stage.open(compose=True), stage.good(1), news.append)

    assert len(seen.ready) == 1
    assert any("no card: could not select device driver" in (told.text or "") for told in news)
    assert list(containers(docker_engine)) == [str(seen.ready[0].id)]


async def test_a_card_that_has_to_be_is_a_failure_that_leaves_nothing(
    stage: Stage, docker_engine: DockerEngine, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(hardware, "trouble", lambda info: None)

    with pytest.raises(Unhealthy):
        await bring(stage.open(compose=True), stage.spec(gpu=1))

    assert containers(docker_engine) == {}


async def test_an_image_that_is_gone_leaves_nothing(compose: Compose, docker_engine: DockerEngine):
    with pytest.raises(Answer, match="No such image"):
        await compose.up(stub(image="sha256:" + "0" * 64))

    assert containers(docker_engine) == {}


async def test_a_folder_that_is_not_there_is_not_made(
    compose: Compose, docker_engine: DockerEngine, tmp_path
):
    missing = Mount("bind", str(tmp_path / "missing"), "/models", read_only=True)
    with pytest.raises(Answer, match="bind source path does not exist"):
        await compose.up(stub(mounts=(missing,)))

    assert containers(docker_engine) == {}
    assert not (tmp_path / "missing").exists()


@pytest.mark.parametrize("models_dir", [None, r"D:\Models"])
async def test_a_folder_of_windows_is_for_containers_without_compose(stage: Stage, models_dir):
    deployer = stage.open(models_dir=models_dir)
    want = stage.spec(source=r"path:D:\Models\m.gguf")

    assert (await make_plan(deployer, want)).steps
    with pytest.raises(Unsupported, match=r"takes D:.* for a path of the bot's machine") as caught:
        await make_plan(deployer, want.model_copy(update={"compose": True}))
    assert "leave Compose out" in caught.value.hint


async def test_somebody_elses_container_of_that_name_is_left_alone(
    stage: Stage, docker_engine: DockerEngine
):
    want = stage.good(1)
    client = docker_engine.client()
    theirs = client.containers.create(STUB.reference, name=f"tiny-{want.revision}-0")
    client.close()

    with pytest.raises(Refused, match="not Gantry's"):
        await bring(stage.open(compose=True), want)

    assert [each["Id"] for each in containers(docker_engine).values()] == [theirs.id]


async def test_who_stops_waiting_finds_it_there_whole(
    compose: Compose, docker_engine: DockerEngine, tmp_path, monkeypatch
):
    real, begun = shutil.which("docker"), tmp_path / "begun"
    wrapper = tmp_path / "bin" / "docker"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\n: >{begun}\nexec {real} "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    going = asyncio.create_task(compose.up(stub()))
    while not begun.exists():
        await asyncio.sleep(0.005)

    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going

    assert containers(docker_engine)[NAME]["State"]["Status"] == "running"


async def test_without_compose_only_who_asks_for_it_is_refused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path
):
    for name in ("DOCKER_CONFIG", "HOME", "PATH"):
        monkeypatch.setenv(name, str(tmp_path))
    deployer = stage.open()

    with pytest.raises(Unsupported, match="cannot be a Compose project") as caught:
        await make_plan(deployer, stage.spec(compose=True))
    assert "docker-compose-plugin" in caught.value.hint
    with pytest.raises(Unsupported, match="cannot be a Compose project"):
        await make_plan(stage.open(compose=True), stage.good(1))
    assert (await make_plan(deployer, stage.good(1))).steps


async def test_a_compose_that_does_not_run_is_refused_before_anything_is_made(
    stage: Stage, docker_engine: DockerEngine, monkeypatch: pytest.MonkeyPatch, tmp_path
):
    broken = tmp_path / "broken" / "cli-plugins" / "docker-compose"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "broken"))

    with pytest.raises(Refused, match="does not run"):
        await bring(stage.open(), stage.spec(compose=True))

    assert containers(docker_engine) == {}


async def test_an_engine_that_is_not_there_is_told_as_always(stage: Stage, compose_plugins: Path):
    connection = UnixConnection(stage.root / "nobody.sock")
    api = Api(TARGET, connection)
    compose = Compose(api, connection, Program(stage.root / "docker-config"), always=True)

    with pytest.raises(Exception, match="nobody listens") as caught:
        await compose.up(stub())
    await api.aclose()

    assert caught.value.hint
