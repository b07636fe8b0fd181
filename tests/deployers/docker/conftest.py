"""A real sshd and a real engine."""

from __future__ import annotations

import gc
import io
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.engines.engine import DockerEngine
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
