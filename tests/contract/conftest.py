"""Every test here runs once for each kind of target."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.contract.stages import KINDS, Stage
from tests.engines.engine import DockerEngine
from tests.engines.images import LLAMACPP

_MARKS = {
    "process": [pytest.mark.engine],
    "docker": [pytest.mark.engine, pytest.mark.docker],
}


@pytest.fixture(params=[pytest.param(kind, marks=_MARKS.get(kind, [])) for kind in KINDS])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """An empty target."""
    if request.param == "process" and find_spec("xllamacpp") is None:
        told = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        told("llama.cpp is missing: pip install 'gantry[llamacpp]'")
    made = Stage(request.param, tmp_path)
    if request.param == "docker":
        engine: DockerEngine = request.getfixturevalue("docker_engine")
        ours = {"host": engine.unix, "images": {"llamacpp": LLAMACPP.reference}}
        made = Stage("docker", tmp_path, ours, engine)
    yield made
    await made.close()
