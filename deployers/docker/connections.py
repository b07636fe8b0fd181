"""The connection that a target's settings ask for."""

from __future__ import annotations

from deployers.docker.connection import Connection, Way
from deployers.protocol import Tools
from domain.errors import TargetError, Unreachable
from domain.replicas import Gpu
from domain.targets import DockerTarget


def connection(settings: DockerTarget, tools: Tools) -> Connection:
    """A way to the engine that is not opened yet."""
    return _Plain(settings.host)


class _Plain:
    """Until there is better: the engine's own address."""

    def __init__(self, address: str) -> None:
        self.address = address

    async def open(self) -> Way:
        """As it is configured."""
        return Way(self.address, environment={"DOCKER_HOST": self.address})

    async def reach(self, port: int) -> str:
        """On this machine."""
        return f"http://127.0.0.1:{port}"

    async def explain(self, error: Exception) -> TargetError:
        """In the library's words."""
        return Unreachable(f"{self.address} does not answer: {error}")

    async def cards(self) -> tuple[Gpu, ...] | None:
        """Not asked."""
        return None

    async def aclose(self) -> None:
        """Nothing is open."""
