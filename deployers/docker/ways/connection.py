"""How a Docker engine is reached: what every kind of connection offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from domain.errors import TargetError, Unreachable
from domain.replicas import Gpu


@dataclass(frozen=True, slots=True)
class Certificates:
    """What a TLS connection is made with. The server's name is always checked."""

    ca: Path
    """Whom to believe; no bundle of the system or the environment is asked."""
    cert: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Way:
    """Where an engine listens, seen from here, at this moment."""

    url: str
    """For a client on this machine: `unix:///path` or `tcp://host:port`."""
    certificates: Certificates | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    """What the `docker` command line needs to go the same way: DOCKER_HOST and its like. The whole
    of it, beside PATH: nothing of ours goes along."""


class Cut(Unreachable):
    """The way was cut under a call, and stands again: what became of the call is not known."""


class Connection(Protocol):
    """One way to an engine. Making it touches nothing; any method may be called again."""

    address: str
    """As it is configured, for people: `ssh://Aria@wks-bckx01`."""

    async def open(self) -> Way:
        """See to it that there is a way, and tell it. Quick when there was one already.

        Raises Unreachable or Refused with a sentence that says why not, and what to try.
        """
        ...

    async def reach(self, port: int) -> str:
        """The base URL, from here, of a server that listens on that port of the engine's host.

        Stays the same for as long as the connection is open. Raises as `open` does.
        """
        ...

    async def explain(self, error: Exception) -> TargetError:
        """Why a call that went this way failed with that error, in a sentence for people.

        Called for what happens to a connection (refused, reset, timed out, TLS), not for what an
        engine answers. May look at the far side again to tell; takes a few seconds at most.
        """
        ...

    async def cards(self) -> tuple[Gpu, ...] | None:
        """The host's graphics cards as `nvidia-smi` tells them; None where it cannot be asked.

        Never raises.
        """
        ...

    async def aclose(self) -> None:
        """Take the way down. What runs on the host goes on running."""
        ...
