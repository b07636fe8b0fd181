"""What runs: replicas, their phases, and what a target was seen to hold."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from domain.made_of import MadeOf

_REPLICA = re.compile(
    r"(?P<service>[a-z][a-z0-9-]*)-(?P<revision>[0-9a-f]{6})-(?P<ordinal>0|[1-9][0-9]*)"
)


class Phase(StrEnum):
    """Where one replica is in its life, in the order it goes through them."""

    PENDING = "pending"
    PULLING = "pulling"
    DOWNLOADING = "downloading"
    STARTING = "starting"
    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    STOPPED = "stopped"
    FAILED = "failed"

    @property
    def alive(self) -> bool:
        """True while the replica holds resources on its target."""
        return self not in (Phase.PENDING, Phase.STOPPED, Phase.FAILED)


@dataclass(frozen=True, slots=True, order=True)
class ReplicaId:
    """Names one copy of one revision: `tiny-3fa9c1-0`."""

    service: str
    revision: str
    ordinal: int

    def __str__(self) -> str:
        return f"{self.service}-{self.revision}-{self.ordinal}"

    @classmethod
    def parse(cls, text: str) -> ReplicaId:
        """Read `service-revision-ordinal` back. Raises ValueError for anything else."""
        match = _REPLICA.fullmatch(text)
        if match is None:
            raise ValueError(f"`{text}` is not a replica's name")
        return cls(match["service"], match["revision"], int(match["ordinal"]))


@dataclass(frozen=True, slots=True)
class Replica:
    """One running (or lately running) copy of a service."""

    id: ReplicaId
    target: str
    phase: Phase
    operation: str
    """The operation that started it."""
    endpoint: str | None = None
    """Base URL of its OpenAI-compatible API, without `/v1`; None until it listens."""
    since: datetime | None = None
    """When it entered its phase, as far as the target knows."""
    reason: str | None = None
    """Why it is in this phase, when a person would ask."""
    made_of: MadeOf = ()
    """What it was really made of, as far as its target can tell; the same each time it is told,
    though once it is ready more may be known than before."""
    namespace: str | None = None
    """The namespace it was found in; None where that is its target's own, or there are none."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What one target was seen to hold of one service: the only truth about what runs."""

    service: str
    target: str
    at: datetime
    replicas: tuple[Replica, ...] = ()

    @property
    def alive(self) -> tuple[Replica, ...]:
        """Replicas that hold resources, in order of their names."""
        return tuple(sorted((r for r in self.replicas if r.phase.alive), key=lambda r: r.id))

    @property
    def ready(self) -> tuple[Replica, ...]:
        """Replicas that have answered a completion and listen."""
        return tuple(r for r in self.alive if r.phase is Phase.READY)

    def find(self, replica: ReplicaId) -> Replica | None:
        """The replica of that name, alive or not."""
        return next((r for r in self.replicas if r.id == replica), None)


@dataclass(frozen=True, slots=True)
class Gpu:
    """One graphics card as its target reports it."""

    name: str
    memory_total: int
    """Bytes."""
    memory_free: int
    """Bytes."""


@dataclass(frozen=True, slots=True)
class TargetFacts:
    """What a target says of itself when asked."""

    target: str
    kind: str
    reachable: bool
    note: str = ""
    """One line for people: a version when reachable, the reason when not."""
    advice: str = ""
    """What to try where it is not reachable."""
    cpus: int | None = None
    memory_free: int | None = None
    """Bytes."""
    disk_free: int | None = None
    """Bytes, where models are kept."""
    gpus: tuple[Gpu, ...] = field(default=())
    no_cards: str | None = None
    """Why replicas cannot have graphics cards there, where that is known. `gpus` may also be
    empty because nobody could count them."""
    no_compose: str | None = None
    """Why replicas cannot be Compose projects there, where that is known."""
    since: datetime | None = None
    """Since when it is reachable, or is not, as far as the bot has seen."""
    cards_at_risk: str | None = None
    """How replicas may lose cards there that they were given."""
