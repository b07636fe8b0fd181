"""Real parts that tests share, each started once a run."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.demo.homeserver import Homeserver
from tests.postgres import Cluster, programs


@pytest.fixture(scope="session")
def synapse_python() -> Path:
    """A Python that has Synapse. Skips without one; in CI that is a failure."""
    installed = Path(__file__).parents[1] / ".venv-synapse" / "bin" / "python"
    python = Path(os.environ.get("GANTRY_SYNAPSE_PYTHON", installed))
    if not python.is_file():
        missing = f"no homeserver: there is no {python}; script/test installs one"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return python


@pytest.fixture(scope="session")
async def homeserver(
    synapse_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Homeserver]:
    """The one homeserver of this run, without rate limits. Use names of your own for users."""
    folder = tmp_path_factory.mktemp("homeserver")
    async with Homeserver.start(folder, python=synapse_python) as running:
        yield running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Cluster]:
    """The one PostgreSQL of this run. Skips without one; in CI that is a failure."""
    installed = programs()
    if installed is None:
        missing = "no PostgreSQL: there is no initdb (Debian: apt install postgresql)"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    with Cluster.started(installed) as running:
        yield running
