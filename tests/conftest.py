"""Real parts that tests share, each started once a run."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

from bot.demo.homeserver import Homeserver
from fleet.store.database import Store
from tests import prometheus as prometheus_parts
from tests.engines.engine import DockerEngine, missing
from tests.engines.images import IMAGES
from tests.engines.releases import Release
from tests.postgres import Cluster, opened, programs
from tests.sqlite import Pattern
from tests.sshd import PROGRAM, Sshd
from tests.vllm.server import Vllm, make_model

# Times vary where others use the machine too.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

RELEASE = Release.asked(os.environ)
"""The Docker engine of this run. Its command line is the one that everything else finds too."""
os.environ["PATH"] = RELEASE.path


@pytest.fixture(scope="session")
def synapse_python() -> Path:
    """A Python that has Synapse. Skips without one; in CI that is a failure."""
    installed = Path(__file__).parents[1] / ".venv-synapse" / "bin" / "python"
    python = Path(os.environ.get("GANTRY_SYNAPSE_PYTHON", installed))
    if not python.is_file():
        _do_without(f"no homeserver: there is no {python}; script/test installs one")
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
        _do_without("no PostgreSQL: there is no initdb (Debian: apt install postgresql)")
    with Cluster.started(installed) as running:
        yield running


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Pattern:
    """What the SQLite states of this run are copied from."""
    return Pattern(tmp_path_factory.mktemp("sqlite") / "pattern.db")


@pytest.fixture(scope="session")
def prometheus() -> tuple[str, str]:
    """The programs prometheus and promtool. Skips without them; in CI that is a failure."""
    found = prometheus_parts.programs()
    if found is None:
        _do_without("no Prometheus (Debian: apt install prometheus)")
    return found


@pytest.fixture(scope="session")
def docker_engine() -> Iterator[DockerEngine]:
    """The Docker engine of this run, over a unix socket and TCP with TLS.

    It has the images of `tests.engines.images`. Skips where none can be started; in CI that is a
    failure.
    """
    with _engine(tls=True) as running:
        yield running


@pytest.fixture(scope="session")
def plain_engine() -> Iterator[DockerEngine]:
    """Another one, over a unix socket and plain TCP."""
    with _engine(tls=False) as running:
        yield running


@pytest.fixture(scope="session")
def sshd_for_all() -> Iterator[Sshd]:
    """The one sshd of this run, for tests that leave it as it is. Skips without one; in CI that is
    a failure."""
    if not Path(PROGRAM).is_file():
        _do_without("no sshd (Debian: apt install openssh-server)")
    with Sshd.started() as running:
        yield running


@pytest.fixture(scope="session")
def compose_plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for DOCKER_CONFIG, with which `docker compose` is Compose v2. Nothing else is in it.

    Skips where it was not fetched; in CI that is a failure.
    """
    if shutil.which("docker") is None:
        _do_without("no Compose: there is no docker (Debian: apt install docker.io)")
    fetched = RELEASE.compose
    if not fetched.is_file():
        _do_without(f"no Compose: there is no {fetched}; .ci/compose fetches it")
    config = tmp_path_factory.mktemp("docker-config")
    (config / "cli-plugins").mkdir()
    (config / "cli-plugins" / "docker-compose").symlink_to(fetched)
    return config


@pytest.fixture(scope="session")
def vllm_python() -> Path:
    """A Python that has vLLM. Skips where GANTRY_VLLM_PYTHON names none, in CI as well: it is three
    gigabytes; tests/vllm/README.md says how to get one."""
    python = Path(os.environ.get("GANTRY_VLLM_PYTHON", ""))
    if not python.is_file():
        pytest.skip("no vLLM: GANTRY_VLLM_PYTHON names no Python that has it")
    return python


@pytest.fixture(scope="session")
def vllm_model(vllm_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model that vLLM loads."""
    return make_model(vllm_python, tmp_path_factory.mktemp("vllm") / "tiny")


@pytest.fixture(scope="session")
def vllm(vllm_python: Path, vllm_model: Path) -> Iterator[Vllm]:
    """The one real vLLM for all tests that leave it as it is. It calls its model `qwen`."""
    with Vllm.started(vllm_python, vllm_model) as running:
        running.ready()
        yield running


@contextmanager
def _engine(*, tls: bool) -> Iterator[DockerEngine]:
    if reason := missing():
        _do_without(reason)
    with DockerEngine.started(tls=tls) as running:
        client = running.client()
        try:
            for image in IMAGES:
                image.load(client)
        finally:
            client.close()
        yield running


def _do_without(reason: str) -> NoReturn:
    """Skip the tests that need what is missing; in CI, where everything should be, fail."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(params=["sqlite", "postgresql"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, sqlite: Pattern
) -> AsyncIterator[Store]:
    """A state of its own, in either database: what holds for one must hold for the other."""
    if request.param == "sqlite":
        made = await sqlite.opened(tmp_path / "gantry.db")
        yield made
        await made.aclose()
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    url = await cluster.fresh()
    made = await opened(url)
    yield made
    await made.aclose()
    await cluster.drop(url)
