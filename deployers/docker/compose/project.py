"""A container as a Compose project. Pure.

By the Compose Specification (compose-spec.io), as Compose v2 reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from deployers.docker.container import LOG, SECURITY, SERVICE, Container
from deployers.docker.shelf import Mount


class _Text(str):
    """What stands between quotes, so that nobody takes `1e3` or `no` for anything but words."""

    __slots__ = ()


class _Writer(yaml.SafeDumper):
    """Writes a project."""


_Writer.add_representer(
    _Text, lambda writer, text: writer.represent_scalar("tag:yaml.org,2002:str", text, style='"')
)


def rendered(wanted: Container) -> str:
    """The project as YAML, for `docker compose -f -`.

    It holds the secrets of the container's environment: it is not for a file.
    """
    return written(project(wanted))


def written(made: Mapping[str, Any]) -> str:
    """As YAML, with what came through `text` between quotes."""
    return yaml.dump(
        dict(made), Dumper=_Writer, sort_keys=False, allow_unicode=True, width=float("inf")
    )


def project(wanted: Container) -> dict[str, Any]:
    """One service that is one container, named as it would be without Compose.

    A project per replica: a new one comes up beside the old, and each is listed for itself. It is
    on the engine's own bridge, since networks per project use up an engine's addresses at some
    thirty. Volumes are `external`: whoever takes the project down, `--volumes` or not, leaves them.
    The image's own health check stands.
    """
    made: dict[str, Any] = {
        "name": text(wanted.name),
        "services": {wanted.labels[SERVICE]: _service(wanted)},
    }
    if names := volumes(wanted):
        made["volumes"] = {text(name): {"name": text(name), "external": True} for name in names}
    return made


def volumes(wanted: Container) -> list[str]:
    """The named volumes it needs; they have to be there before it."""
    return sorted({mount.source for mount in wanted.mounts if mount.kind == "volume"})


def _service(wanted: Container) -> dict[str, Any]:
    made: dict[str, Any] = {
        "image": text(wanted.image),
        "container_name": text(wanted.name),
        "command": [text(word) for word in wanted.command],
        "environment": {name: text(value) for name, value in wanted.environment.items()},
        "labels": {name: text(value) for name, value in wanted.labels.items()},
        "network_mode": "bridge",
        "ports": [_port(wanted)],
        "volumes": [_mount(mount) for mount in wanted.mounts],
        "restart": text("no"),
        "shm_size": wanted.shared_memory,
        "cpus": wanted.cpus,
        "mem_limit": wanted.memory,
        "memswap_limit": wanted.memory,
        "security_opt": [*SECURITY],
        "logging": {
            "driver": "json-file",
            "options": {name: text(value) for name, value in LOG.items()},
        },
        "deploy": _cards(wanted),
    }
    return {key: value for key, value in made.items() if value}


def _port(wanted: Container) -> dict[str, Any]:
    address, port = wanted.publish
    made = {"target": wanted.port, "host_ip": text(address), "protocol": "tcp"}
    return {**made, "published": text(str(port))} if port else made


def _mount(mount: Mount) -> dict[str, Any]:
    """In the long writing, for a missing folder is not to be made."""
    made: dict[str, Any] = {
        "type": mount.kind,
        "source": text(mount.source),
        "target": text(mount.target),
    }
    if mount.read_only:
        made["read_only"] = True
    if mount.kind == "bind":
        made["bind"] = {"create_host_path": False}
    return made


def _cards(wanted: Container) -> dict[str, Any] | None:
    device: dict[str, Any]
    if wanted.devices:
        device = {"driver": "cdi", "device_ids": [text(name) for name in wanted.devices]}
    elif wanted.gpus:
        device = {"count": "all" if wanted.gpus < 0 else wanted.gpus}
    else:
        return None
    return {"resources": {"reservations": {"devices": [{**device, "capabilities": ["gpu"]}]}}}


def text(value: str) -> str:
    """A word that is meant as it stands: Compose puts variables in for `$NAME`; `$$` is a `$`."""
    return _Text(value.replace("$", "$$"))
