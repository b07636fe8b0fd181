"""A real Docker engine that is thrown away: data, sockets, bridge and containerd of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
import psutil
from docker.tls import TLSConfig

from deployers.docker.ways.connection import Certificates
from tests.engines.bridge import Bridge
from tests.engines.certificates import Tls
from tests.engines.releases import Release
from tests.engines.remains import FOLDERS, alone, clear, processes_of, sweep

WRONG_ADDRESS = "127.0.0.2"
"""The engine listens there too, and its certificate does not say so."""


_NEEDED = {
    "dockerd": "docker.io",
    "ip": "iproute2",
    "setpriv": "util-linux",
    "busybox": "busybox-static",
    "curl": "curl",
}
"""Programs, and the packages of Debian they come with. The last two go into images."""


def missing() -> str | None:
    """Why no engine can be started on this machine; None if one can."""
    if os.getuid() != 0:
        return "no Docker engine: only root can start one"
    for program, package in _NEEDED.items():
        if shutil.which(program) is None:
            return f"no Docker engine: there is no {program} (Debian: apt install {package})"
    return None


class DockerEngine:
    """One `dockerd`, reached over a unix socket and TCP.

    Nothing it does leaves its folder, its bridge or the loopback address: no firewall rule is
    made (published ports go through `docker-proxy`), no registry can be reached. Containers may not
    reach each other, if the machine's own firewall forwards nothing. The methods
    block; call them from the main thread, since dockerd ends with the thread that started it.
    """

    def __init__(self, folder: Path, bridge: Bridge, tls: Tls | None, release: Release) -> None:
        self.folder = folder
        self.release = release
        self.tls = tls
        self.bridge = bridge
        self.port = free_port()
        self.api = ""
        """The version of its API, once it runs: `1.41`."""
        self._dockerd: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def started(cls, *, tls: bool, release: Release | None = None) -> Iterator[DockerEngine]:
        """Run one until the block ends; over TCP with or without TLS; of the release that tests
        are to be run on, unless another is given."""
        with alone():
            sweep()
        folder = Path(tempfile.mkdtemp(prefix=f"{FOLDERS}{os.getpid()}-"))
        try:
            with Bridge.made() as bridge:
                own = Tls.make(folder / "tls") if tls else None
                engine = cls(folder, bridge, own, release or Release.asked(os.environ))
                try:
                    engine.start()
                    yield engine
                finally:
                    engine.close()
        finally:
            shutil.rmtree(folder)

    @property
    def socket(self) -> Path:
        """The unix socket."""
        return self.folder / "docker.sock"

    @property
    def unix(self) -> str:
        """The address over the unix socket."""
        return f"unix://{self.socket}"

    @property
    def tcp(self) -> str:
        """The address over TCP: with TLS if the engine has it, else plain."""
        return f"tcp://127.0.0.1:{self.port}"

    @property
    def misnamed(self) -> str:
        """The same under an address that its certificate does not name."""
        return f"tcp://{WRONG_ADDRESS}:{self.port}"

    @property
    def log(self) -> Path:
        """What dockerd and containerd wrote."""
        return self.folder / "dockerd.log"

    def client(
        self, url: str | None = None, who: Certificates | None = None
    ) -> docker.DockerClient:
        """The `docker` library's client, by default over the unix socket; close it.

        The environment's proxies and CA bundles have no say, since they would override `who`.
        """
        tls: Any = False
        if who:
            pair = (str(who.cert), str(who.key))
            tls = TLSConfig(client_cert=pair, ca_cert=str(who.ca), verify=True)
        client = docker.DockerClient(url or self.unix, version=self.api, tls=tls, timeout=60)
        client.api.trust_env = False
        return client

    def start(self, patience: float = 60.0) -> None:
        """Start dockerd, and wait until it answers."""
        assert self._dockerd is None, "it runs already"
        settings = self.folder / "daemon.json"
        settings.write_text(json.dumps(self._settings(), indent=2))
        with self.log.open("ab") as log:
            # --pdeathsig: a test run that is killed takes its engine along.
            self._dockerd = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", "dockerd", "--config-file", str(settings)],
                cwd=self.folder,
                env={**self.release.environment, **_NO_REGISTRY},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + patience
        while not (api := self._ping()):
            if self._dockerd.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"dockerd does not start: {self.log.read_text()[-3000:]}")
            time.sleep(0.02)
        self.api = api

    def stop(self) -> None:
        """End dockerd in good order, and with it containerd and every container."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End dockerd as a crash would: containers and containerd go on."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Let dockerd hold its connections and answer nothing."""
        self._running.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._running.send_signal(signal.SIGCONT)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Answer nothing for as long as the block."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def answers(self) -> bool:
        """Whether /_ping is answered within a second."""
        return bool(self._ping())

    def remove_containers(self) -> None:
        """Remove every container, running or not."""
        client = self.client()
        try:
            for container in client.containers.list(all=True, ignore_removed=True):
                container.remove(force=True, v=True)
        finally:
            client.close()

    def running(self) -> dict[int, str]:
        """What runs in containers, by pid: the container's name."""
        client = self.client()
        try:
            running = client.containers.list(ignore_removed=True)
            return {each.attrs["State"]["Pid"]: str(each.name) for each in running}
        finally:
            client.close()

    def close(self) -> None:
        """End everything that it started, whatever state that is in."""
        try:
            if self._dockerd is not None and self._dockerd.poll() is None:
                self.thaw()
                if self.answers():
                    self.remove_containers()
                self.stop()
        finally:
            clear(self.folder)

    def processes(self) -> list[psutil.Process]:
        """Every process that is its doing: dockerd, containerd, shims and what they hold."""
        return processes_of(self.folder)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        assert self._dockerd is not None, "it does not run"
        return self._dockerd

    def _ping(self) -> str:
        """The API version that /_ping tells; empty if there is no answer within a second."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1.0)
            try:
                connection.connect(str(self.socket))
                connection.sendall(b"GET /_ping HTTP/1.0\r\n\r\n")
                answer = connection.recv(4096).decode()
            except OSError:
                return ""
        told = re.search(r"^HTTP/1\.\d 200 .*^Api-Version: (\S+)", answer, re.MULTILINE | re.DOTALL)
        return told[1] if told else ""

    def _end(self, how: signal.Signals, patience: float = 60.0) -> None:
        self._running.send_signal(how)
        try:
            self._running.wait(patience)
        except subprocess.TimeoutExpired:
            self._running.kill()
            self._running.wait()
        self._dockerd = None

    def _settings(self) -> dict[str, Any]:
        """What dockerd(8) calls the daemon configuration file: the machine's own is not read."""
        return {
            "data-root": str(self.folder / "data"),
            "exec-root": str(self.folder / "exec"),
            "pidfile": str(self.folder / "dockerd.pid"),
            "hosts": [self.unix, self.tcp, self.misnamed],
            "bridge": self.bridge.name,
            "default-address-pools": [{"base": str(self.bridge.pool), "size": 27}],
            # Engines share the machine's tables, and each empties Docker's chains as it starts.
            **dict.fromkeys(("iptables", "ip6tables", "ip-masq", "ip-forward"), False),
            "shutdown-timeout": 5,
            **self.release.settings,
            **self._tls_settings(),
        }

    def _tls_settings(self) -> dict[str, Any]:
        if self.tls is None:
            return {"tls": False}
        server = self.tls.server
        return {
            "tlsverify": True,
            "tlscacert": str(server.ca),
            "tlscert": str(server.cert),
            "tlskey": str(server.key),
        }


def free_port() -> int:
    """A port of the loopback address that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


_NO_REGISTRY = {"HTTPS_PROXY": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}
"""Nothing listens there: a pull fails at once, the same on a machine with a network and without."""
