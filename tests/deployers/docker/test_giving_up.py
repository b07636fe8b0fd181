"""What is said of a replica that runs and never gets ready."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.clock import SystemClock
from deployers.docker.listing import names
from domain.errors import Failure, Unhealthy
from domain.readiness import FirstToken
from tests.contract.stages import Stage, bring
from tests.engines.engine import DockerEngine
from tests.engines.images import STUB


class Leaping(SystemClock):
    """Goes right, but for a leap."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


@pytest.fixture
def stage(docker_engine: DockerEngine, tmp_path: Path):
    """An empty target, and an engine that is empty again afterwards."""
    yield Stage("docker", tmp_path, {"host": docker_engine.unix}, docker_engine)
    docker_engine.remove_containers()


async def given_up(stage: Stage, command: str, *, listens: bool = True) -> Failure:
    """A server that is run by this command. All patience is over once it has listed its models;
    if it never `listens`, at once."""
    clock = Leaping()

    async def ask(url: str, _: str) -> FirstToken | None:
        if not listens or await names(url):
            clock.ahead = 3600.0
        return None

    deployer = stage.open(ask, clock)
    settings = (("command", command), ("listens", "8080"))
    with pytest.raises(Unhealthy) as caught:
        await bring(deployer, stage.spec(engine="custom", image=STUB.reference, settings=settings))
    await deployer.aclose()
    return caught.value.failure


async def test_one_that_calls_its_model_by_another_name_is_told_which(stage: Stage):
    failure = await given_up(stage, "--alias base --port 8080")
    assert "it serves base, and nothing that is called tiny" in failure.what
    assert "by the service's name" in failure.advice


async def test_one_that_lists_its_model_and_gives_no_token_is_told(stage: Stage):
    failure = await given_up(stage, "--alias {name} --port 8080")
    assert "it listens but gave no token" in failure.what


async def test_one_that_listens_elsewhere_is_told_to_answer_nothing(stage: Stage):
    failure = await given_up(stage, "--alias {name} --port 8081", listens=False)
    assert "nothing answers there yet" in failure.what
