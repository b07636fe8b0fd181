"""A real vLLM in containers that Gantry made, of images that look like vLLM's own.

Each start takes half a minute on an idle machine, and minutes on one that computes: CI does
without.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from deployers.docker.deployer import DockerDeployer
from domain.errors import Refused, Unhealthy
from domain.progress import Progress
from domain.replicas import Observed, Phase
from domain.services import ServiceSpec
from inference.probe import Prober
from inference.scraping import scrape
from tests.contract.stages import RealClock, Stage, ignore, make_plan
from tests.deployers.docker.warehouse import gateway
from tests.engines.engine import DockerEngine
from tests.vllm import image
from tests.vllm.hub import REPOSITORY, FolderHub
from tests.vllm.image import NEWER, OLDER

pytestmark = [pytest.mark.docker, pytest.mark.engine]

QUIET = {"OMP_NUM_THREADS": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_CPU_KVCACHE_SPACE": "1"}
HASTY = {"VLLM_CPU_CI_ENV": "1"}
"""Compiles nothing and is not warmed up: for what does not ask how long that takes."""
TOKEN = "hf_canaryOfTheToken0123456789"
BUDGET = 600.0
"""Seconds without a line of log: another may be importing beside it."""


@pytest.fixture(scope="module")
def engine(docker_engine: DockerEngine, vllm_python: Path) -> DockerEngine:
    client = docker_engine.client()
    image.load(client, vllm_python)
    client.close()
    return docker_engine


@pytest.fixture
async def stage(engine: DockerEngine, vllm_model: Path, tmp_path: Path) -> AsyncIterator[Stage]:
    """A host whose models' directory has the tiny model."""
    ours: dict[str, Any] = {
        "host": engine.unix,
        "images": {"vllm-cpu": NEWER},
        "models_dir": str(vllm_model.parent),
        "volume": f"t-{os.urandom(4).hex()}",
    }
    made = Stage("docker", tmp_path, ours, engine)
    yield made
    await made.close()


@asynccontextmanager
async def opened(stage: Stage) -> AsyncIterator[DockerDeployer]:
    async with aiohttp.ClientSession() as session:
        made = stage.open(Prober(session, RealClock()))
        assert isinstance(made, DockerDeployer)
        yield made


@pytest.fixture
async def deployer(stage: Stage) -> AsyncIterator[DockerDeployer]:
    async with opened(stage) as made:
        yield made


@pytest.fixture
async def hub(
    stage: Stage, vllm_model: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[FolderHub]:
    """Has the same model, for who has the target's token."""
    assert stage.engine is not None
    monkeypatch.setenv("GANTRY_TEST_TOKEN", TOKEN)
    stage.ours |= {"hf_token_env": "GANTRY_TEST_TOKEN"}
    async with FolderHub(vllm_model, TOKEN).listening(gateway(stage.engine)) as listening:
        monkeypatch.setenv("HF_ENDPOINT", listening.endpoint)
        yield listening


@pytest.fixture
def want(stage: Stage, vllm_model: Path) -> Callable[..., ServiceSpec]:
    """A service `tiny` of the model in the directory, on the processor."""

    def spec(source: str = f"path:{vllm_model}", replicas: int = 1, **fields: Any) -> ServiceSpec:
        told = {"engine": "vllm", "gpu": "none", "context": 128, "startup_budget": BUDGET}
        env = {**QUIET, **fields.pop("env", HASTY)}
        told |= fields | {"env": tuple(env.items())}
        return stage.spec(replicas, source, **told)

    return spec


async def bring(
    deployer: DockerDeployer, spec: ServiceSpec, report: Callable[[Progress], None] = ignore
) -> Observed:
    await deployer.apply(await make_plan(deployer, spec), report)
    return await deployer.observe(spec.name)


def attributes(engine: DockerEngine) -> list[dict[str, Any]]:
    client = engine.client()
    try:
        found = client.containers.list(all=True, filters={"label": "gantry.service"})
        return [each.attrs for each in found]
    finally:
        client.close()


def ends(engine: DockerEngine, since: int) -> list[int]:
    """The exit codes of replicas that ended since then."""
    client = engine.client()
    try:
        wanted = {"event": "die", "label": "gantry.service"}
        told = client.events(since=since, until=int(time.time()) + 1, filters=wanted, decode=True)
        return [int(each["Actor"]["Attributes"]["exitCode"]) for each in told]
    finally:
        client.close()


async def test_a_folder_is_served_told_of_and_stopped(engine, deployer, want):
    news: list[Progress] = []
    seen = await bring(deployer, want(), news.append)

    (replica,) = seen.ready
    told = [each.text for each in news if each.phase is Phase.LOADING]
    assert any("(APIServer pid=1)" in each for each in told)
    assert not any("GET /v1/models" in each for each in told)
    log = [line.text async for line in deployer.logs(replica.id, tail=500, follow=False)]
    assert any("Loading safetensors checkpoint shards: 100%" in line for line in log)
    assert any("Application startup complete" in line for line in log)
    async with aiohttp.ClientSession() as session:
        ask = {"model": "tiny", "prompt": "One two", "max_tokens": 4, "ignore_eos": True}
        async with session.post(f"{replica.endpoint}/v1/completions", json=ask) as answer:
            assert (await answer.json())["usage"]["completion_tokens"] == 4
        metrics = await scrape(session, replica.endpoint)
    assert metrics is not None
    assert (metrics.engine, metrics.running) == ("vllm", 0)
    assert metrics.generation_tokens >= 4
    (made,) = attributes(engine)
    assert made["HostConfig"]["ShmSize"] == 8 << 30
    assert made["Config"]["WorkingDir"] == "/vllm-workspace"

    begun = int(time.time())
    await bring(deployer, want(replicas=0))
    assert engine.running() == {}
    assert ends(engine, begun) == [0], "it heeds SIGTERM, and is not killed"


async def test_a_new_version_takes_over_and_one_that_fails_does_not(deployer, want):
    before = await bring(deployer, want())
    with pytest.raises(Unhealthy, match="longer than the 512") as failed:
        await bring(deployer, want(context=100_000))
    assert failed.value.failure.kind == "context-too-long"
    assert (await deployer.observe("tiny")).ready == before.ready

    after = await bring(deployer, want(context=96))
    assert [each.id.revision for each in after.ready] == [want(context=96).revision]
    assert [each.id for each in after.replicas] == [each.id for each in after.ready]


async def test_a_repository_is_fetched_into_the_volume_once_and_by_older_images_as_well(
    stage, engine, hub, want
):
    stage.ours |= {"images": {"vllm-cpu": OLDER}}
    async with opened(stage) as deployer:
        spec = want(f"hf://{REPOSITORY}")
        need = await deployer.need(spec)
        await bring(deployer, spec)
        await bring(deployer, want(f"hf://{REPOSITORY}", replicas=0))
        seen = await bring(deployer, spec)

    assert need is not None
    assert need.weights == (hub.folder / "model.safetensors").stat().st_size
    assert len(seen.ready) == 1
    assert hub.asked.count("model.safetensors") == 1
    volume = engine.folder / "data" / "volumes" / stage.ours["volume"] / "_data"
    assert (volume / "huggingface" / "hub" / "models--org--tiny").is_dir()
    (made,) = attributes(engine)
    assert made["Config"]["Entrypoint"][0] == "python3"
    assert TOKEN not in json.dumps([made["Config"]["Cmd"], made["Config"]["Labels"]])


async def test_it_is_served_as_a_compose_project(stage, engine, compose_plugins, monkeypatch, want):
    monkeypatch.setenv("DOCKER_CONFIG", str(compose_plugins))
    stage.ours |= {"compose": True}
    async with opened(stage) as deployer:
        seen = await bring(deployer, want(memory=6_000_000_000))
        assert len(seen.ready) == 1
        (made,) = attributes(engine)
        assert made["Config"]["Labels"]["com.docker.compose.project"] == made["Name"].strip("/")
        assert made["HostConfig"]["ShmSize"] == 8 << 30
        await bring(deployer, want(replicas=0))
    assert engine.running() == {}


@pytest.mark.parametrize(
    ("said", "kind", "what"),
    [
        ({"settings": (("dtype", "floaty"),)}, "wrong-option", "'floaty'"),
        ({"source": "hf://org/none"}, "model-missing", "there is no model org/none"),
        ({"memory": 900_000_000}, "out-of-memory", "the kernel ended it"),
        ({"settings": (("gpu-memory", "0.99"),)}, "out-of-memory", "GiB of memory for its cache"),
        ({"settings": (("quantization", "bogus"),)}, "wrong-option", "quantization `bogus`"),
    ],
    ids=str,
)
async def test_what_keeps_it_from_starting_is_told(stage, hub, want, said, kind, what):
    env = HASTY | ({"VLLM_CPU_KVCACHE_SPACE": ""} if "gpu-memory" in str(said) else {})
    async with opened(stage) as deployer:
        with pytest.raises(Unhealthy) as failed:
            await bring(deployer, want(**said, env=env))
    assert failed.value.failure.kind == kind
    assert what in failed.value.failure.what
    assert stage.running() == {}


async def test_a_folder_that_is_not_there_is_told_before_anything_starts(deployer, want):
    with pytest.raises(Refused, match=r"there is no .*none on that host"):
        await bring(deployer, want("path:/models/none"))
