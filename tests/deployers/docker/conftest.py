"""A real sshd and a real engine."""

from __future__ import annotations

import gc
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from deployers.docker.marks import TAKEN_OVER
from fleet.store.database import Store
from tests.certificates import Authority
from tests.contract.stages import TARGET, Stage
from tests.deployers.docker.projects import Host
from tests.engines.engine import DockerEngine
from tests.fleet.world import World
from tests.sshd import PROGRAM, Sshd


def _without(missing: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def needs_sshd() -> None:
    """Skips without an sshd; in CI that is a failure."""
    if not Path(PROGRAM).is_file():
        _without("no sshd (Debian: apt install openssh-server)")


@pytest.fixture
def sshd(needs_sshd: None) -> Iterator[Sshd]:
    """One of the test's own."""
    with Sshd.started() as running:
        yield running


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom servers of a test's own believe."""
    return Authority(tmp_path_factory.mktemp("certificates"), "ours")


@pytest.fixture(scope="session")
def engine(docker_engine: DockerEngine) -> Path:
    """The socket of the run's Docker engine."""
    return docker_engine.socket


@pytest.fixture
def container(engine: Path) -> Iterator[str]:
    """One that writes `tick` several times a second; busybox is all there is in it."""
    busybox = shutil.which("busybox")
    if busybox is None:
        _without("no busybox (Debian: apt install busybox-static)")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as image:
        image.add(str(busybox), "bin/busybox")
        for name in ("sh", "sleep", "wc"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            image.addfile(link)
    ticking = ("sh", "-c", "while :; do echo tick; sleep 0.2; done")
    docker(engine, "import", "-", "ticking", stdin=packed.getvalue())
    made = docker(engine, "run", "-d", "--network=none", "ticking", *ticking)
    yield made
    docker(engine, "rm", "-f", made)


@pytest.fixture
def swept() -> Iterator[None]:
    """For tests that break connections: docker-py leaves sockets open then, and when that is seen
    is chance. Here it is seen by the test that did it, which passes it over."""
    yield
    gc.collect()


@pytest.fixture
async def host(
    docker_engine: DockerEngine,
    compose_plugins: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Host]:
    monkeypatch.setenv("DOCKER_CONFIG", str(compose_plugins))
    stage = Stage("docker", tmp_path / "bot", {"host": docker_engine.unix}, docker_engine)
    made = Host(stage, docker_engine, tmp_path / "projects")
    yield made
    for name in {each["Config"]["Labels"]["com.docker.compose.project"] for each in _of(made)}:
        made.compose("-p", name, "down", "--volumes")
    await stage.close()
    client = docker_engine.client()
    for label in ("com.docker.compose.project", TAKEN_OVER):
        for volume in client.volumes.list(filters={"label": label}):
            volume.remove()
    client.networks.prune()
    client.close()


@pytest.fixture
async def world(host: Host, tmp_path: Path) -> AsyncIterator[World]:
    """A fleet on that host."""
    store = await Store.open(tmp_path / "gantry.db")
    made = World(store, tmp_path)
    made.deployers = {TARGET: host.open()}
    made.new_fleet()
    yield made
    await store.aclose()


def _of(host: Host) -> list[dict[str, Any]]:
    label = "com.docker.compose.project"
    return [each for each in host.containers().values() if label in each["Config"]["Labels"]]


def docker(engine: Path, *words: str, stdin: bytes = b"") -> str:
    """What the command line says."""
    done = subprocess.run(
        ("docker", *words),
        env={"PATH": os.environ["PATH"], "DOCKER_HOST": f"unix://{engine}"},
        input=stdin,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.decode().strip()
