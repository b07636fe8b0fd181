"""Every test here runs once for each kind of target."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.contract.stages import KINDS, Stage

_REAL = {"process"}


@pytest.fixture(
    params=[pytest.param(k, marks=[pytest.mark.engine] if k in _REAL else []) for k in KINDS]
)
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    """An empty target."""
    if request.param == "process" and find_spec("xllamacpp") is None:
        told = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        told("llama.cpp is missing: pip install 'gantry[llamacpp]'")
    made = Stage(request.param, tmp_path)
    yield made
    await made.close()
