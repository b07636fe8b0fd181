"""A real sshd that is thrown away: its own configuration, keys and port, for whoever runs tests."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

PROGRAM = shutil.which("sshd") or "/usr/sbin/sshd"
_PRIVILEGE_SEPARATION = Path("/run/sshd")
"""Where Debian's wants an empty folder, if root starts it."""


class Sshd:
    """Listens on 127.0.0.1 and lets one key in, as any user it may become."""

    def __init__(self, folder: Path, options: tuple[str, ...]) -> None:
        self.folder = folder
        self.user = getpass.getuser()
        self.settings = {"LOG": str(folder / "ran")}
        """Set in the environment of sessions, as of the next start."""
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @classmethod
    @contextmanager
    def started(cls, *options: str) -> Iterator[Sshd]:
        """Make one with further lines of sshd_config, and run it until the block ends."""
        folder = Path(tempfile.mkdtemp(prefix="gantry-sshd-"))
        sshd = cls(folder, options)
        try:
            for name in ("host", "user", "stranger", "other_host"):
                sshd.make_key(name)
            sshd.make_key("host_ecdsa", kind="ecdsa")
            sshd.start()
            yield sshd
        finally:
            sshd.stop()
            shutil.rmtree(folder)

    @property
    def url(self) -> str:
        """As a target's host; it needs `config` beside it."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "log").read_text(errors="replace")

    def make_key(self, name: str, passphrase: str = "", kind: str = "ed25519") -> Path:
        """A key pair in its folder."""
        file = self.folder / name
        file.unlink(missing_ok=True)
        words = ("-q", "-t", kind, "-N", passphrase, "-C", name, "-f", str(file))
        subprocess.run(("ssh-keygen", *words), check=True, stdin=subprocess.DEVNULL)
        return file

    def config(self, *lines: str, key: str = "user", known: str = "host", name: str = "") -> Path:
        """An ssh_config: with that user's key, and a known_hosts that has that host's.

        `lines` come first, and so win.
        """
        file = self.folder / f"ssh_config-{len(list(self.folder.iterdir()))}{name}"
        known_hosts = file.with_name(f"{file.name}-known_hosts")
        if known:
            public = " ".join((self.folder / f"{known}.pub").read_text().split()[:2])
            known_hosts.write_text(f"[127.0.0.1]:{self.port} {public}\n")
        file.write_text(
            "\n".join(
                (
                    *lines,
                    "Host *",
                    f"IdentityFile {self.folder / key}",
                    "IdentitiesOnly yes",
                    "IdentityAgent none",
                    f"UserKnownHostsFile {known_hosts}",
                    "GlobalKnownHostsFile /dev/null",
                    "",
                )
            )
        )
        return file

    def start(self) -> None:
        """Start it, and wait until it listens."""
        if os.getuid() == 0:
            _PRIVILEGE_SEPARATION.mkdir(exist_ok=True)
        shutil.copy(self.folder / "user.pub", self.folder / "authorized_keys")
        (self.folder / "authorized_keys").chmod(0o644)
        self.folder.chmod(0o755)  # another user's session reads it as that user
        written = self.folder / "sshd_config"
        written.write_text("\n".join((*self._options, *self._lines(), "")))
        self._process = subprocess.Popen(
            (PROGRAM, "-D", "-f", str(written), "-E", str(self.folder / "log")),
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 10
        while not self._listens():
            assert self._process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def stop(self) -> None:
        """End it and its sessions."""
        if self._process is None:
            return
        self.signal_sessions(signal.SIGKILL)
        self._process.kill()
        self._process.wait()
        self.signal_sessions(signal.SIGKILL)
        self._process = None

    def freeze(self) -> None:
        """Take connections and say nothing, until it is stopped. Sessions go on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def sessions(self) -> list[psutil.Process]:
        """What serves those that are connected, and what they run."""
        if self._process is None or self._process.poll() is not None:
            return []
        return psutil.Process(self._process.pid).children(recursive=True)

    def signal_sessions(self, what: signal.Signals) -> None:
        """Kill or stop every one of them."""
        for process in self.sessions():
            try:
                process.send_signal(what)
            except psutil.NoSuchProcess:
                continue

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _lines(self) -> tuple[str, ...]:
        return (
            f"Port {self.port}",
            "SetEnv " + " ".join(f"{name}={value}" for name, value in self.settings.items()),
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder / 'host'}",
            f"HostKey {self.folder / 'host_ecdsa'}",
            f"PidFile {self.folder / 'pid'}",
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}",
            "PermitRootLogin yes",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            "StrictModes no",
            "UsePAM no",
            "LogLevel VERBOSE",
        )
