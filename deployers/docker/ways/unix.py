"""An engine on this machine, by its socket."""

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

from deployers import nvidia
from deployers.docker.ways import causes
from deployers.docker.ways.connection import Way
from domain.errors import Refused, TargetError, Unreachable
from domain.replicas import Gpu


class UnixConnection:
    """Nothing to keep open: each call is a connection of its own."""

    def __init__(self, socket: Path, listening: str = "127.0.0.1") -> None:
        self.address = f"unix://{socket}"
        self._socket, self._listening = socket, listening

    async def open(self) -> Way:
        """The socket, whether or not anybody listens there."""
        return Way(self.address, environment={"DOCKER_HOST": self.address})

    async def reach(self, port: int) -> str:
        """The address that replicas are published on, on this machine."""
        return f"http://{self._listening}:{port}"

    async def explain(self, error: Exception) -> TargetError:
        """Tells apart: no socket, no permission, nobody listens, silence, a cut in the middle."""
        for cause in causes.under(error):
            if isinstance(cause, FileNotFoundError):
                return Unreachable(
                    f"no Docker on this machine: there is no {self._socket}",
                    hint="install it, or start it with `systemctl start docker`",
                )
            if isinstance(cause, PermissionError):
                return Refused(
                    f"the bot's user {_user()} may not use {self._socket}",
                    hint=membership(_group(self._socket), _user()),
                )
            if isinstance(cause, ConnectionRefusedError):
                return Unreachable(
                    f"nobody listens on {self._socket}; Docker is not running",
                    hint="start it with `systemctl start docker`",
                )
        return causes.general(self.address, error)

    async def cards(self) -> tuple[Gpu, ...] | None:
        """This machine's."""
        return await nvidia.local_gpus()

    async def aclose(self) -> None:
        """Nothing is open."""


def membership(group: str, user: str) -> str:
    """How somebody comes to be allowed on a socket."""
    return f"put {user} into the group {group}: `usermod -aG {group} {user}`, and log in anew"


def _user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # an id without a name, as in a container
        return f"id {os.geteuid()}"


def _group(socket: Path) -> str:
    try:
        return grp.getgrgid(socket.stat().st_gid).gr_name
    except (OSError, KeyError):
        return "docker"
