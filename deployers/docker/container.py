"""From a spec to the container that serves it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from deployers.docker.shelf import Mount, Shelf
from deployers.engines.preset import Engine, Hardware
from domain.made_of import MadeOf
from domain.replicas import ReplicaId
from domain.services import ServiceSpec

SERVICE, REVISION, OPERATION = "gantry.service", "gantry.revision", "gantry.operation"
REPLICA, HARDWARE, MADE_OF = "gantry.replica", "gantry.hardware", "gantry.made-of"
PORT = "gantry.port"
"""Labels by which what runs is found and understood again."""
ADOPTED = "gantry.adopted"
"""On every container of a project that was adopted: for which service."""
PROJECT = "com.docker.compose.project"
"""The label that Compose knows its containers by."""

LOOPBACK = "127.0.0.1"

LOG: Mapping[str, str] = MappingProxyType({"max-size": "64m", "max-file": "2"})
"""Options of the `json-file` log driver: a replica that talks a lot does not fill the disk."""
SECURITY = ("no-new-privileges",)

_NO_CARDS: Mapping[str, str] = MappingProxyType({"NVIDIA_VISIBLE_DEVICES": "void"})
"""For the processor: images ask for all cards by this variable, and would get them where NVIDIA's
runtime is the default of a Docker engine."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Container:
    """One container, before it is made."""

    name: str
    image: str
    command: tuple[str, ...]
    port: int
    """What it listens on, inside."""
    publish: tuple[str, int]
    """(address, port) of the host that lead there; port 0 lets the engine choose a free one."""
    labels: Mapping[str, str]
    environment: Mapping[str, str] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    gpus: int = 0
    """Cards it gets; -1 for all there are."""
    devices: tuple[str, ...] = ()
    """The same by name, where the engine hands them out so (CDI)."""
    shared_memory: int | None = None
    """Bytes of /dev/shm."""
    cpus: float | None = None
    """Processor cores it may use; None for all."""
    memory: int | None = None
    """Bytes of memory it may use, swap included; None for no limit."""


@dataclass(frozen=True, slots=True)
class Site:
    """What of a target a container depends on."""

    shelf: Shelf
    images: Mapping[str, str] = field(default_factory=dict)
    """By engine, or by engine and hardware."""
    address: str = LOOPBACK
    """Of the host, for replicas to listen on."""


def image(want: ServiceSpec, engine: Engine, hardware: Hardware, site: Site) -> str | None:
    """The image a replica is made from: the spec's, the target's, the engine's own. None where
    there is none for such hardware."""
    for named in (want.image, site.images.get(f"{want.engine}-{hardware}")):
        if named:
            return named
    return site.images.get(want.engine) or engine.images.get(hardware)


def container(
    replica: ReplicaId,
    want: ServiceSpec,
    engine: Engine,
    hardware: Hardware,
    site: Site,
    *,
    image: str,
    operation: str,
    made_of: MadeOf = (),
    context: int | None = None,
    secrets: Mapping[str, str] = _NOTHING,
) -> Container:
    """The whole container of one replica.

    `context` is what the model was trained for, in tokens; `secrets` go into the environment.
    """
    weights, mounts = site.shelf.find(want.source, context)
    start = engine.start(want, weights, hardware)
    return Container(
        name=str(replica),
        image=image,
        command=start.command,
        port=start.port,
        publish=(site.address, int(dict(want.settings).get("port", 0))),
        labels={
            SERVICE: want.name,
            REVISION: want.revision,
            REPLICA: str(replica),
            OPERATION: operation,
            HARDWARE: hardware,
            PORT: str(start.port),
            MADE_OF: json.dumps(made_of),
        },
        environment={
            **(_NO_CARDS if hardware == "cpu" else _NOTHING),
            **start.environment,
            **secrets,
            **dict(want.env),
        },
        mounts=mounts,
        gpus=_cards(want) if hardware == "cuda" else 0,
        shared_memory=start.shared_memory,
        cpus=want.cpus,
        memory=want.memory,
    )


def _cards(want: ServiceSpec) -> int:
    return want.gpu if isinstance(want.gpu, int) else -1
