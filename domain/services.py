"""What should run: a service's full description and the revision it amounts to."""

from __future__ import annotations

import hashlib
import json
import re
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    StringConstraints,
    WithJsonSchema,
    field_validator,
)

from domain.engines import EngineName
from domain.sources import ModelSource

ServiceName = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]
"""A lower-case DNS label (RFC 1035) of at most 40 characters: it becomes part of process,
container and Kubernetes names, which end at 63."""

TargetName = Annotated[str, StringConstraints(pattern=r"^[a-z]([a-z0-9-]{0,38}[a-z0-9])?$")]

Gpu = Literal["auto", "none"] | Annotated[int, Field(ge=1, le=64)]

Image = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][A-Za-z0-9_./:@-]{0,254}$")]
"""A reference to a container image: `vllm/vllm-openai:v0.11.0`, with a digest or without."""

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$")]

_NAMESPACE = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
NO_NAMESPACE = "none"
"""What people write for each target's own namespace; no other may be called that."""


def namespace(text: str) -> str:
    """A namespace, if it is one. Raises ValueError with what is right."""
    if text == NO_NAMESPACE or not re.fullmatch(_NAMESPACE, text, re.ASCII):
        raise ValueError(
            f"`{text[:70]}` cannot be a namespace: use small letters, digits and dashes, no dash "
            f"at either end, at most 63, and not `{NO_NAMESPACE}`, which stands for a target's own"
        )
    return text


Namespace = Annotated[
    str,
    AfterValidator(namespace),
    WithJsonSchema({"type": "string", "pattern": _NAMESPACE, "not": {"const": NO_NAMESPACE}}),
]
"""A DNS label (RFC 1123) of at most 63 characters, as Kubernetes has them."""

MAX_REPLICAS = 64
"""More than this in one placement is a typo, not a wish."""

MIN_CPUS, MAX_CPUS = 0.01, 1024.0
MIN_MEMORY, MAX_MEMORY = 6 * 2**20, 2**50
"""Bytes. Docker takes no less."""


class Placement(BaseModel, frozen=True, extra="forbid"):
    """So many replicas on one target."""

    target: TargetName
    replicas: int = Field(ge=0, le=MAX_REPLICAS)


class ServiceSpec(BaseModel, frozen=True, extra="forbid"):
    """What should run and where. Says nothing of what runs there now."""

    name: ServiceName
    source: ModelSource
    engine: EngineName = "llamacpp"
    placements: tuple[Placement, ...] = Field(min_length=1)
    gpu: Gpu = "auto"
    context: int | None = Field(default=None, ge=64, le=16_777_216)
    """Tokens one conversation may hold; None takes what the model was trained for."""
    settings: tuple[tuple[str, str], ...] = ()
    """Engine settings from `--set key=value`, sorted by key; the engine says which it knows."""
    image: Image | None = None
    """The container image instead of the engine's own; None leaves the choice to the target."""
    env: tuple[tuple[EnvName, str], ...] = ()
    """Environment variables of its replicas, sorted by name. No secrets: people see them."""
    compose: bool = False
    """Whether its replicas are Compose projects, also on a target that does not ask for it."""
    take_over: bool = False
    """Whether what somebody else started of its Compose project may be taken over as it runs. That
    is leave, and shapes no replica."""
    cpus: float | None = Field(default=None, ge=MIN_CPUS, le=MAX_CPUS)
    """Processor cores that one replica may use; None for no limit."""
    memory: int | None = Field(default=None, ge=MIN_MEMORY, le=MAX_MEMORY)
    """Bytes of its machine's memory that one replica may use; None for no limit. A card's own
    memory is not counted."""
    namespace: Namespace | None = None
    """Where its replicas are set apart, on targets of a kind that has namespaces; None for each
    target's own."""
    restarts: int = 0
    """Raised by `!restart`, so that a restart is an ordinary rollout to a new revision (what
    the `restartedAt` annotation does for a Kubernetes deployment)."""
    startup_budget: float = Field(default=120.0, gt=0)
    """Seconds without any sign of progress after which a starting replica is given up."""
    drain_timeout: float = Field(default=30.0, ge=0)
    """Seconds running answers get to finish before a replica is stopped."""

    @field_validator("placements")
    @classmethod
    def _one_placement_a_target(cls, value: tuple[Placement, ...]) -> tuple[Placement, ...]:
        names = [placement.target for placement in value]
        if len(names) != len(set(names)):
            raise ValueError("a target is named twice")
        return value

    @field_validator("settings", "env")
    @classmethod
    def _sorted(cls, value: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        return tuple(sorted(value))

    @property
    def revision(self) -> str:
        """Six hex digits over all that shapes a replica; counts and patience do not.

        What is at its default is left out, so that a field that a later release adds changes
        no revision.
        """
        beside = {"placements", "startup_budget", "drain_timeout", "take_over"}
        shape = self.model_dump(mode="json", exclude=beside, exclude_defaults=True)
        text = json.dumps(shape, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:6]

    @property
    def replicas(self) -> int:
        """Wanted copies over all targets."""
        return sum(placement.replicas for placement in self.placements)

    @property
    def where(self) -> str:
        """The targets as a person writes them: `local` or `eu:2,us:1`."""
        if len(self.placements) == 1:
            return self.placements[0].target
        return ",".join(f"{p.target}:{p.replicas}" for p in self.placements)

    def replicas_on(self, target: str) -> int:
        """Wanted copies on one target, 0 where it has no placement."""
        return next((p.replicas for p in self.placements if p.target == target), 0)

    def scaled(self, replicas: int) -> ServiceSpec:
        """The same service with so many copies, kept on its first target when it has several.

        Raises ValueError when a service spread over several targets is scaled by one number,
        except to 0.
        """
        if len(self.placements) > 1 and replicas:
            raise ValueError(f"{self.name} runs on {self.where}; say how many on each")
        placements = tuple(Placement(target=p.target, replicas=replicas) for p in self.placements)
        return self.model_copy(update={"placements": placements})

    def restarted(self) -> ServiceSpec:
        """The same service as a new revision, so that every replica is replaced."""
        return self.model_copy(update={"restarts": self.restarts + 1})
