"""What a new service is where nothing was said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Defaults:
    """An environment's own; None leaves a field at what every service has."""

    replicas: int | None = None
    gpu: str | int | None = None
    context: int | None = None
    cpus: float | None = None
    """Cores."""
    memory: int | None = None
    """Bytes."""
    settings: tuple[tuple[str, str], ...] = ()
    startup_budget: float | None = None
    """Seconds."""
    drain_timeout: float | None = None
    """Seconds."""
    namespace: str | None = None

    @property
    def fields(self) -> Mapping[str, Any]:
        """Fields of a ServiceSpec, those alone that something is said of. Replicas are none."""
        said = {
            "gpu": self.gpu,
            "context": self.context,
            "cpus": self.cpus,
            "memory": self.memory,
            "settings": self.settings or None,
            "startup_budget": self.startup_budget,
            "drain_timeout": self.drain_timeout,
            "namespace": self.namespace,
        }
        return {name: value for name, value in said.items() if value is not None}
