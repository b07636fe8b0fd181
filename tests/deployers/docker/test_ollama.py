"""Ollama is told what to serve once it listens. By a double: no real one is to be had here."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from deployers.docker.ollama import full
from domain.errors import Unhealthy
from domain.progress import Progress
from domain.replicas import Phase
from inference.probe import Prober
from tests.contract.stages import RealClock, Stage, make_plan
from tests.engines.engine import DockerEngine
from tests.engines.images import Image

OLLAMA = Image("gantry-test/ollama", "1", "ollama_server.py", "ollama")


@pytest.mark.parametrize(
    ("tag", "listed"),
    [
        ("qwen2.5:0.5b", "qwen2.5:0.5b"),
        ("qwen2.5", "qwen2.5:latest"),
        ("library/qwen2.5:0.5b", "qwen2.5:0.5b"),
        ("registry.ollama.ai/library/qwen2.5", "qwen2.5:latest"),
        ("registry.ollama.ai/somebody/qwen2.5:x", "somebody/qwen2.5:x"),
        ("hf.co/org/model:Q4_K_M", "hf.co/org/model:Q4_K_M"),
        ("registry.local:5000/org/model", "registry.local:5000/org/model:latest"),
    ],
)
def test_a_model_is_listed_with_its_tag(tag: str, listed: str):
    assert full(tag) == listed


@pytest.fixture
async def stage(docker_engine: DockerEngine, tmp_path: Path) -> AsyncIterator[Stage]:
    client = docker_engine.client()
    OLLAMA.load(client)
    client.close()
    ours = {
        "host": docker_engine.unix,
        "images": {"ollama": OLLAMA.reference},
        "volume": f"t-{os.urandom(4).hex()}",
    }
    made = Stage("docker", tmp_path, ours, docker_engine)
    yield made
    await made.close()


async def deploy(stage: Stage, tag: str, replicas: int = 1) -> list[Progress]:
    news: list[Progress] = []
    async with aiohttp.ClientSession() as session:
        deployer = stage.open(Prober(session, RealClock()))
        want = stage.spec(replicas, f"ollama://{tag}", engine="ollama")
        await deployer.apply(await make_plan(deployer, want), news.append)
        seen = await deployer.observe("tiny")
    assert len(seen.ready) == replicas
    return news


@pytest.mark.docker
@pytest.mark.parametrize("tag", ["qwen2.5:0.5b", "library/qwen2.5"])
async def test_a_tag_is_pulled_once_named_and_served(stage: Stage, tag: str):
    news = await deploy(stage, tag, replicas=2)

    told = [(each.fraction, each.text) for each in news if each.phase is Phase.DOWNLOADING]
    assert told[0] == (None, "pulling manifest")
    assert any(fraction == 0.5 and "2 MB of 4 MB" in text for fraction, text in told)
    client = stage.engine.client()  # type: ignore[union-attr]
    logs = b"".join(each.logs() for each in client.containers.list())
    client.close()
    assert logs.count(f"pull {tag}".encode()) == 1


@pytest.mark.docker
async def test_a_tag_that_there_is_not_is_told_in_its_words(stage: Stage):
    with pytest.raises(Unhealthy, match="Ollama cannot pull no-such:1b: pull model manif") as told:
        await deploy(stage, "no-such:1b")
    assert told.value.failure.kind == "model-missing"
    assert stage.running() == {}


@pytest.mark.docker
async def test_a_library_that_cannot_be_reached_is_told(stage: Stage):
    with pytest.raises(Unhealthy, match="Ollama's library was not reached from there") as told:
        await deploy(stage, "unreachable")
    assert "HTTPS_PROXY" in told.value.failure.advice
