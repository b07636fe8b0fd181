"""Models that a host has under links, as a hub's own cache does."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployers.models.bundled import bundled
from domain.errors import Refused
from domain.sources import parse_source
from tests.contract.stages import Stage, bring
from tests.engines.engine import DockerEngine
from tests.engines.images import LLAMACPP

CONTENT = bundled(parse_source("tiny://ops")).read_bytes()


@pytest.fixture
def stage(docker_engine: DockerEngine, tmp_path: Path):
    """A target whose models lie in `models`, and an engine that is empty again afterwards."""
    (tmp_path / "models" / "blobs").mkdir(parents=True)
    (tmp_path / "models" / "blobs" / "0123").write_bytes(CONTENT)
    ours = {
        "host": docker_engine.unix,
        "images": {"llamacpp": LLAMACPP.reference},
        "models_dir": str(tmp_path / "models"),
    }
    yield Stage("docker", tmp_path / "bot", ours, docker_engine)
    docker_engine.remove_containers()


def linked(tmp_path: Path, to: str) -> str:
    """A link among the models."""
    link = tmp_path / "models" / "m.gguf"
    link.symlink_to(to)
    return f"path:{link}"


async def test_what_a_link_leads_to_is_reckoned_and_served(stage: Stage, tmp_path: Path):
    deployer, want = stage.open(), stage.spec(source=linked(tmp_path, "blobs/0123"))

    need = await deployer.need(want)  # type: ignore[attr-defined]

    assert need is not None
    assert need.weights == len(CONTENT)
    assert len((await bring(deployer, want)).ready) == 1
    await deployer.aclose()


@pytest.mark.parametrize("to", ["../elsewhere.gguf", "m.gguf", "blobs/gone"])
async def test_a_link_that_leads_out_of_sight_is_told_before_anything_starts(
    stage: Stage, tmp_path: Path, to: str
):
    (tmp_path / "elsewhere.gguf").write_bytes(CONTENT)
    deployer, want = stage.open(), stage.spec(source=linked(tmp_path, to))

    with pytest.raises(Refused, match=r"m\.gguf is a link to .* not see|links lead in a circle"):
        await bring(deployer, want)

    assert (await deployer.observe("tiny")).replicas == ()
    await deployer.aclose()
