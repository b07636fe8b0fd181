"""The connection that a target's settings ask for."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from deployers.docker.ways.connection import Certificates, Connection
from deployers.docker.ways.ssh import SshConnection
from deployers.docker.ways.tcp import TcpConnection
from deployers.docker.ways.unix import UnixConnection
from domain.clock import Clock
from domain.errors import ConfigError
from domain.targets import DockerTarget

_ANYWHERE = ("0.0.0.0", "::", "*")  # noqa: S104
_LOOPBACK = "127.0.0.1"


def connection(settings: DockerTarget, clock: Clock, runtime_dir: Path) -> Connection:
    """Make it; nothing is touched before it is opened.

    `runtime_dir` is the bot's own, and may be gone after a reboot. Raises ConfigError if the
    host's address makes no sense.
    """
    published = settings.publish if settings.publish not in _ANYWHERE else None
    scheme = urlsplit(settings.host).scheme
    if scheme == "unix":
        path = settings.host.removeprefix("unix://")
        if not path.startswith("/"):
            raise ConfigError(
                f"`{settings.host}` is not unix:///PATH", hint="unix:///var/run/docker.sock"
            )
        return UnixConnection(Path(path), published or _LOOPBACK)
    if scheme == "tcp":
        return TcpConnection(settings.host, _certificates(settings), runtime_dir, published or "")
    return SshConnection(
        settings.host, settings.ssh_config, runtime_dir, clock, published or _LOOPBACK
    )


def _certificates(settings: DockerTarget) -> Certificates | None:
    return Certificates(**dict(settings.tls)) if settings.tls else None
