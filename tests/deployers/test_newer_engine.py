"""One round on a newer engine than Debian's own, with images kept by containerd, as Docker 29 does.

The engine is what `.ci/engine forky` fetched. It knows two graphics cards by CDI, which are played
there by a `nvidia-smi` alone; that they are asked for so that they come is no play.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from deployers.protocol import Deployer
from domain import made_of
from domain.errors import Unhealthy
from domain.incidents import Kind
from domain.replicas import Observed, Phase
from tests.contract.stages import Stage, bring
from tests.deployers.heard import first_of, heard
from tests.deployers.test_docker_incidents import HUNGRY
from tests.engines.engine import DockerEngine
from tests.engines.images import CACHE, LLAMACPP, PROGRAMS
from tests.engines.registry import PROGRAM, Registry
from tests.engines.releases import Release

pytestmark = [pytest.mark.docker, pytest.mark.engine]

NEWER = CACHE / "engines" / "forky"
ENVIRONMENT = ["sh", "-c", "tr '\\0' '\\n' </proc/1/environ"]
"""Of the replica itself: to what is run beside it an engine gives none of a device's."""


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DockerEngine]:
    """Skips where it was not fetched, in CI as well: it is a hundred megabytes."""
    if os.getuid() != 0 or not (NEWER / "dockerd").is_file():
        pytest.skip(f"no newer Docker engine: root and {NEWER} are needed; .ci/engine forky")
    devices = tmp_path_factory.mktemp("cdi")
    program = devices / "nvidia-smi"
    program.write_bytes((PROGRAMS / "nvidia_smi.sh").read_bytes())
    program.chmod(0o755)
    (devices / "nvidia.json").write_text(json.dumps(cards(program, "0", "1", "all")))
    release = Release(NEWER, containerd_images=True, devices=devices)
    with DockerEngine.started(tls=False, release=release) as running:
        client = running.client()
        LLAMACPP.load(client)
        client.close()
        yield running


@pytest.fixture
async def stage(
    newer: DockerEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Stage]:
    monkeypatch.setenv("PATH", newer.release.path)
    monkeypatch.setenv("DOCKER_CONFIG", str(NEWER))
    ours = {"host": newer.unix, "images": {"llamacpp": LLAMACPP.reference}}
    made = Stage("docker", tmp_path / "bot", ours, newer)
    yield made
    await made.close()


def cards(program: Path, *names: str) -> dict[str, Any]:
    """What `nvidia-ctk cdi generate` writes, as far as that matters here."""
    place = {"hostPath": str(program), "containerPath": "/usr/bin/nvidia-smi"}
    edits = {"mounts": [{**place, "options": ["ro", "bind"]}]}
    return {
        "cdiVersion": "0.5.0",
        "kind": "nvidia.com/gpu",
        "devices": [
            {"name": name, "containerEdits": {"env": [f"PLAYED_CARD={name}"]}} for name in names
        ],
        "containerEdits": edits,
    }


def inspected(engine: DockerEngine, seen: Observed) -> dict[str, Any]:
    """The container of the one replica, as the engine tells of it."""
    client = engine.client()
    try:
        (replica,) = seen.replicas
        found: dict[str, Any] = client.containers.get(str(replica.id)).attrs
        return found
    finally:
        client.close()


async def inside(engine: DockerEngine, seen: Observed, *words: str) -> str:
    client = engine.client()
    try:
        (replica,) = seen.replicas
        container = client.containers.get(str(replica.id))
        _, said = await asyncio.to_thread(container.exec_run, list(words))
        return str(said, "utf-8", "replace")
    finally:
        client.close()


async def test_it_is_newer_and_keeps_its_images_in_containerd(newer: DockerEngine, stage: Stage):
    client = newer.client()
    info = client.info()
    client.close()
    assert ["driver-type", "io.containerd.snapshotter.v1"] in info["DriverStatus"]

    facts = await stage.open().inspect()

    assert facts.note.startswith(f"Docker {info['ServerVersion']}, ")
    assert int(info["ServerVersion"].partition(".")[0]) >= 28


async def test_an_engine_that_takes_no_version_as_old_as_ours_is_said_to_be_too_new(
    newer: DockerEngine, tmp_path: Path
):
    """As engines are to come: each takes fewer old versions (29 none before 1.44)."""
    with DockerEngine.started(tls=False, release=Release(NEWER, oldest_api=newer.api)) as strict:
        stage = Stage("docker", tmp_path, {"host": strict.unix}, strict)
        facts = await stage.open().inspect()
        await stage.close()
    assert (facts.reachable, f"wants API {newer.api}" in facts.note) == (False, True), facts.note


@pytest.mark.parametrize("composed", [False, True], ids=["plain", "composed"])
async def test_a_service_is_updated_and_taken_back_and_a_broken_one_changes_nothing(
    newer: DockerEngine, stage: Stage, composed: bool
):
    deployer = stage.open(compose=composed)
    first = await bring(deployer, stage.good())
    image = dict(first.replicas[0].made_of)[made_of.IMAGE]
    assert image.startswith(f"{LLAMACPP.name}@sha256:")
    assert inspected(newer, first)["Config"]["Image"] == image

    second = await bring(deployer, stage.good_v2())
    with pytest.raises(Unhealthy):
        await bring(deployer, stage.broken())
    assert (await deployer.observe("tiny")).ready == second.ready
    back = await bring(deployer, stage.good())

    assert [each.id for each in back.replicas] == [each.id for each in first.replicas]
    assert inspected(newer, back)["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    lines = [each.text async for each in deployer.logs(back.replicas[0].id, tail=20, follow=False)]
    assert any("listening" in line for line in lines), lines
    async with (
        asyncio.timeout(20),
        aclosing(deployer.logs(back.replicas[0].id, tail=1, follow=True)) as following,
    ):
        assert (await anext(following)).text
    assert (await bring(deployer, stage.spec(0))).replicas == ()


async def test_an_image_of_a_registry_stays_the_one_it_was_when_its_tag_moves_on(
    newer: DockerEngine, stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    """Where containerd keeps the images, the old one loses its name by that, digest and all."""
    if PROGRAM is None:
        pytest.skip(
            "no registry: there is no docker-registry (Debian: apt install docker-registry)"
        )
    client = newer.client()
    with Registry.started() as hub:
        name = f"{hub.host}/team/llama"
        client.images.get(LLAMACPP.reference).tag(name, "1")
        client.api.push(name, "1", auth_config=hub.login)
        client.images.remove(f"{name}:1")
        login = {"username": hub.user, "password_env": "HUB"}
        deployer = stage.open(registries={hub.host: login})
        monkeypatch.setenv("HUB", hub.password)
        want = stage.spec(engine="llamacpp", image=f"{name}:1")
        seen = await bring(deployer, want)
    image = dict(seen.replicas[0].made_of)[made_of.IMAGE]
    assert image.startswith(f"{name}@sha256:")

    moved = client.containers.create(LLAMACPP.reference)
    moved.commit(name, "1")
    moved.remove()
    async with heard(deployer) as told:
        await inside(newer, seen, "sh", "-c", "kill -TERM 1")
        await first_of(told, Kind.ENDED)
    again = await until_ready(deployer)
    assert dict(again.replicas[0].made_of)[made_of.IMAGE] == image
    newest = await bring(deployer, want.model_copy(update={"context": 96}))
    assert dict(newest.replicas[0].made_of)[made_of.IMAGE] != image
    client.close()


async def until_ready(deployer: Deployer) -> Observed:
    async with asyncio.timeout(30):
        while not (seen := await deployer.observe("tiny")).ready:
            await asyncio.sleep(0.05)
    return seen


async def test_a_process_that_the_kernel_ends_for_its_memory_is_told(
    newer: DockerEngine, stage: Stage
):
    deployer = stage.open()
    seen = await bring(deployer, stage.spec(memory=160 << 20))
    async with heard(deployer) as told:
        await inside(newer, seen, *HUNGRY)
        found = await first_of(told, Kind.OUT_OF_MEMORY)
    assert (found.failure, "(limit 168 MB)" in found.text) == ("out-of-memory", True)


@pytest.mark.parametrize("composed", [False, True], ids=["plain", "composed"])
async def test_cards_that_it_knows_by_cdi_come_into_the_container(
    newer: DockerEngine, stage: Stage, composed: bool
):
    deployer = stage.open(compose=composed)
    assert (await deployer.inspect()).no_cards is None

    seen = await bring(deployer, stage.good())

    assert dict(seen.replicas[0].made_of)[made_of.HARDWARE] == "graphics card"
    assert "PLAYED_CARD=all" in await inside(newer, seen, *ENVIRONMENT)
    assert "NVIDIA L4" in await inside(newer, seen, "nvidia-smi", "-L")
    seen = await bring(deployer, stage.spec(gpu=1))
    assert "PLAYED_CARD=0" in await inside(newer, seen, *ENVIRONMENT)

    with pytest.raises(Unhealthy) as caught:
        await bring(deployer, stage.spec(gpu=3))

    assert caught.value.failure.kind == "no-gpu"
    assert "nvidia.com/gpu=2" in caught.value.failure.what
    assert [each.phase for each in (await deployer.observe("tiny")).replicas] == [Phase.READY]
