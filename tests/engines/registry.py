"""A real registry of images that is thrown away: Debian's docker-registry, on loopback."""

from __future__ import annotations

import base64
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bcrypt

from tests.engines.engine import free_port

PROGRAM = shutil.which("docker-registry")

_SETTINGS = """
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: {folder}/images}}}}
http: {{addr: "127.0.0.1:{port}"}}
auth: {{htpasswd: {{realm: tests, path: {folder}/htpasswd}}}}
"""


class Registry:
    """Lets one user in, to push and to pull."""

    user = "robot"
    password = "correct-horse-battery-staple"

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Registry]:
        """Run one until the block ends."""
        folder = Path(tempfile.mkdtemp(prefix="gantry-registry-"))
        made = cls(folder)
        hashed = bcrypt.hashpw(made.password.encode(), bcrypt.gensalt(4)).decode()
        (folder / "htpasswd").write_text(f"{made.user}:{hashed}\n")
        (folder / "config.yml").write_text(_SETTINGS.format(folder=folder, port=made.port))
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", str(PROGRAM), "serve", folder / "config.yml"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            made._wait(process)
            yield made
        finally:
            process.terminate()
            process.wait(10)
            shutil.rmtree(folder)

    @property
    def host(self) -> str:
        """As it stands before an image's name."""
        return f"127.0.0.1:{self.port}"

    @property
    def login(self) -> dict[str, str]:
        """What the `docker` library takes."""
        return {"username": self.user, "password": self.password}

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        word = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        asked = urllib.request.Request(
            f"http://{self.host}/v2/", headers={"Authorization": f"Basic {word}"}
        )
        deadline = time.monotonic() + 20
        while True:
            try:
                with urllib.request.urlopen(asked, timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                log = (self.folder / "log").read_text()
                assert process.poll() is None, log
                assert time.monotonic() < deadline, log
                time.sleep(0.05)
