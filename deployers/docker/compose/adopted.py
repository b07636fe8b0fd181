"""A project of somebody else's: what Compose makes of its files, and what is laid over them. Pure.

By the Compose Specification (compose-spec.io), as Compose v2 reads and writes it.
"""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from deployers import steps
from deployers.docker.compose.project import text, written
from deployers.docker.container import (
    ADOPTED,
    HARDWARE,
    MADE_OF,
    OPERATION,
    PORT,
    REPLICA,
    REVISION,
    SERVICE,
)
from deployers.docker.hardware import CARD, Choice
from deployers.engines.preset import Hardware
from domain import made_of
from domain.errors import Refused, Unsupported
from domain.made_of import PROJECT
from domain.plans import Plan
from domain.replicas import Observed, ReplicaId
from domain.services import ServiceSpec

_NVIDIA = "nvidia"


@dataclass(frozen=True, slots=True)
class Adopted:
    """A project that is to serve a model."""

    name: str
    """By which the engine's host lists it."""
    service: str
    """The one of its services that answers requests: the replica."""
    port: int
    """What that listens on, inside."""
    images: Mapping[str, str]
    """Of each of its services."""
    hardware: Hardware
    restarts_by_deploy: bool
    """Whether its restart policy stands under `deploy`, which goes before `restart`."""


def is_adopted(want: ServiceSpec) -> bool:
    """Whether a service is a project that is there already."""
    return want.source.scheme == "compose"


def check(want: ServiceSpec, target: str, folder: Path | None) -> None:
    """Raises Unsupported for a project that may not be named there, and for what only its own
    file can say."""
    if folder is None:
        raise Unsupported(
            f"{target} adopts no Compose projects",
            hint="its settings have to name the folder they lie under, as `projects_dir`",
        )
    place = PurePosixPath(posixpath.normpath(want.source.location))
    if not place.is_relative_to(posixpath.normpath(folder)):
        raise Unsupported(f"{want.source} does not lie under the `projects_dir` of {target}")
    if want.replicas_on(target) > 1:
        raise Unsupported("a Compose project is one replica", hint="leave out how many")
    own = ("image", "gpu", "context", "cpus", "memory")
    if said := [name for name in own if getattr(want, name) not in (None, "auto")]:
        raise Unsupported(
            f"a Compose project says its {' and '.join(said)} itself",
            hint="leave that out, or change the project's file",
        )


def planned(want: ServiceSpec, have: Observed, operation: str) -> Plan:
    """The steps to it. A project that was adopted ends before one that is to be: both may be the
    same, and a project is on a host once."""
    plan = steps.rolling(want, have, operation)
    if not any(PROJECT in dict(replica.made_of) for replica in have.alive):
        return plan
    if not plan.stopped:
        return plan
    return steps.stop_first(plan, "a Compose project is on a host once", every=True)


def read(told: Mapping[str, Any], settings: Mapping[str, str]) -> Adopted:
    """What `docker compose config --format json` tells. Raises Refused for what cannot serve."""
    services: Mapping[str, Any] = told.get("services") or {}
    for name, service in services.items():
        if not service.get("image"):
            raise Refused(
                f"the project's service {name} names no image",
                hint="nothing is built: build it on the target's host and name it with `image:`",
            )
    serving = _serving(services, settings.get("service"))
    service = services[serving]
    if _copies(service) != 1:
        raise Refused(f"the project asks for {_copies(service)} of {serving}", hint="one can serve")
    deploy = service.get("deploy") or {}
    return Adopted(
        name=str(told["name"]),
        service=serving,
        port=_port(serving, _published(service), settings.get("listens")),
        images={name: str(each["image"]) for name, each in services.items()},
        hardware="cuda" if _has_cards(service) else "cpu",
        restarts_by_deploy="restart_policy" in deploy,
    )


def overlaid(
    project: Adopted,
    labels: Mapping[str, str],
    environment: Mapping[str, str],
    *,
    whole: bool = True,
) -> str:
    """What is laid over the project's own files, as YAML: by what its containers are found again,
    and that the replica is not started again by itself until it was ready once.

    Unless the `whole` of it is to be ours, the others are not touched: they stay as they are.
    """
    mark = {ADOPTED: text(labels[SERVICE])} if whole else {}
    ours = project.images if whole else [project.service]
    services: dict[str, Any] = {name: {"labels": mark.copy()} for name in ours}
    serving = services[project.service]
    serving["labels"] |= {name: text(value) for name, value in labels.items()}
    serving["restart"] = text("no")
    if environment:
        serving["environment"] = {name: text(value) for name, value in environment.items()}
    if project.restarts_by_deploy:
        serving["deploy"] = {"restart_policy": {"condition": "none"}}
    return written({"services": services})


def labels(replica: ReplicaId, plan: Plan, project: Adopted, image: str) -> Mapping[str, str]:
    """What is known of the replica, for its labels; `image` is by its digest."""
    want = plan.want
    called = dict(want.settings).get("model", want.name)
    made = (
        (made_of.PROJECT, str(want.source)),
        (made_of.IMAGE, image),
        (made_of.HARDWARE, str(Choice(project.hardware))),
        *([(made_of.MODEL, called)] if called != want.name else []),
    )
    return {
        SERVICE: want.name,
        REVISION: want.revision,
        REPLICA: str(replica),
        OPERATION: plan.operation,
        HARDWARE: project.hardware,
        PORT: str(project.port),
        MADE_OF: json.dumps(made),
    }


def _serving(services: Mapping[str, Any], named: str | None) -> str:
    publishing = [name for name, service in services.items() if _published(service)]
    if named is not None and named not in services:
        there = ", ".join(services) or "none"
        raise Refused(f"the project has no service {named}", hint=f"it has {there}")
    if named is not None and named not in publishing:
        raise Refused(f"the project's service {named} publishes no port", hint="see its `ports:`")
    if named is not None:
        return named
    if not publishing:
        raise Refused("no service of the project publishes a port", hint="see its `ports:`")
    if len(publishing) > 1:
        raise Refused(
            f"several services of the project publish ports: {', '.join(publishing)}",
            hint="`--set service=NAME` says which of them answers requests",
        )
    return publishing[0]


def _published(service: Mapping[str, Any]) -> list[int]:
    ports = service.get("ports") or ()
    return [int(each["target"]) for each in ports if each.get("protocol", "tcp") == "tcp"]


def _port(serving: str, published: list[int], named: str | None) -> int:
    if named is None and len(set(published)) == 1:
        return published[0]
    there = ", ".join(str(port) for port in published)
    if named is None:
        raise Refused(
            f"the project's service {serving} publishes several ports: {there}",
            hint="`--set listens=PORT` says which of them answers requests",
        )
    if int(named) not in published:
        raise Refused(f"the project's {serving} does not publish {named}", hint=f"but {there}")
    return int(named)


def _copies(service: Mapping[str, Any]) -> int:
    deploy = service.get("deploy") or {}
    return int(deploy.get("replicas", service.get("scale", 1)))


def _has_cards(service: Mapping[str, Any]) -> bool:
    resources = (service.get("deploy") or {}).get("resources") or {}
    devices = (resources.get("reservations") or {}).get("devices") or ()
    asked = any("gpu" in (each.get("capabilities") or ()) for each in devices)
    named = (str(each.get("source", "")) for each in service.get("devices") or ())
    asked = asked or any(name.startswith(f"{CARD}=") for name in named)
    return asked or bool(service.get("gpus")) or service.get("runtime") == _NVIDIA
