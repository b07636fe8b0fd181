"""A real sshd and a real engine."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.certificates import Authority
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
    """Whom the engine believes."""
    return Authority(tmp_path_factory.mktemp("certificates"), "ours")


@pytest.fixture(scope="session")
def secured() -> int:
    """The engine's port that speaks TLS, and wants a certificate of both sides."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def engine(authority: Authority, secured: int) -> Iterator[Path]:
    """The socket of a real dockerd. Skips without one; in CI that is a failure."""
    program = shutil.which("dockerd")
    if program is None or os.getuid() != 0:
        _without("no Docker engine (Debian: apt install docker.io; to be started by root)")
    folder = Path(tempfile.mkdtemp(prefix="gantry-dockerd-"))
    places = ("--data-root", "data", "--exec-root", "exec", "--pidfile", "pid")
    words = [word if word.startswith("--") else str(folder / word) for word in places]
    words += ["-H", f"unix://{folder / 'docker.sock'}", "--iptables=false", "--bridge=none"]
    cert, key = authority.sign("engine", "127.0.0.1")
    words += ["-H", f"tcp://127.0.0.1:{secured}", "--tlsverify", f"--tlscacert={authority.file}"]
    words += [f"--tlscert={cert}", f"--tlskey={key}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([str(program), *words], stdout=log, stderr=log)
    try:
        for _ in range(300):
            if (folder / "docker.sock").exists():
                break
            assert process.poll() is None, (folder / "log").read_text()
            time.sleep(0.1)
        yield folder / "docker.sock"
    finally:
        process.terminate()
        process.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


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
