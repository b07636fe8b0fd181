"""What an engine is, to a target that runs it in a container. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from domain.services import ServiceSpec

Hardware = Literal["cuda", "cpu"]
"""What a replica computes on."""

WEIGHTS = "/models"
"""Where a container finds models: the target's volume, or a directory of its host."""


@dataclass(frozen=True, slots=True)
class Start:
    """How a replica is started in a container of its engine's image."""

    command: tuple[str, ...]
    """What follows the image's entrypoint."""
    port: int
    """What it listens on, inside."""
    environment: Mapping[str, str] = field(default_factory=dict)
    shared_memory: int | None = None
    """Bytes of /dev/shm; None leaves the engine's host at its default."""


@dataclass(frozen=True, slots=True)
class Weights:
    """What a replica is to serve, seen from inside its container."""

    path: str
    """A file or folder, or the name by which the engine fetches it."""
    context: int | None = None
    """Tokens it was trained for, where that is known."""


class Engine(Protocol):
    """A kind of model server."""

    @property
    def images(self) -> Mapping[Hardware, str]:
        """Its image for each hardware it can use."""

    @property
    def spare(self) -> Mapping[Hardware, str]:
        """Its makers' images for further hardware, which nobody gets who does not name them."""

    @property
    def keeps(self) -> str:
        """The folder under WEIGHTS that it fetches models into by itself; "" if it fetches none."""

    def check(self, spec: ServiceSpec) -> None:
        """Raise Unsupported, with another way, for a source it cannot load or a setting it does
        not have."""

    def start(self, spec: ServiceSpec, weights: Weights, hardware: Hardware) -> Start:
        """How to start a replica."""
