"""How the fleet stands at one moment, as figures. Values alone: whoever has them puts them in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from domain.breaker import State
from inference.endpoints import Place
from inference.engine_metrics import EngineMetrics
from inference.traffic import Traffic


@dataclass(frozen=True, slots=True)
class UpstreamReading:
    """Somebody who may be asked: a replica of ours, or a backend that others run."""

    service: str
    """The service or backend that it belongs to."""
    replica: str
    """"" for a backend."""
    target: str
    """"" for a backend."""
    in_flight: int
    admitted: bool = True
    """False while it drains."""
    breaker: State | None = None
    """None where it has none."""
    engine: EngineMetrics | None = None
    """None where it does not tell."""
    cooling: bool = False
    """Whether it asked to be left alone for a while."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything at one moment."""

    upstreams: tuple[UpstreamReading, ...] = ()
    wanted: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Service -> replicas that should run."""
    targets: Mapping[str, State] = field(default_factory=lambda: MappingProxyType({}))
    """Target -> what its breaker lets through."""

    @property
    def ready(self) -> dict[str, int]:
        """Service or backend -> how many may be asked; 0 for one that is wanted and has nobody."""
        counts = dict.fromkeys(self.wanted, 0)
        for each in self.upstreams:
            counts[each.service] = counts.get(each.service, 0) + each.admitted
        return counts


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured of one service lately."""

    traffic: Traffic | None = None
    """None where nobody asked it anything."""
    engines: Mapping[Place, EngineMetrics] = field(default_factory=lambda: MappingProxyType({}))
    """What its replicas' engines say, those that do not tell left out."""


async def unmeasured(service: str) -> Figures:
    """Where nothing is measured."""
    return Figures()
