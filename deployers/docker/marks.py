"""Whose a container is that Gantry did not make, kept on its engine. Pure.

Labels of a container can never be changed. So what was taken over as it runs is marked by an empty
volume beside it, whose labels say what the container's would say, and of which container.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deployers.docker.container import SERVICE

TAKEN_OVER = "gantry.taken-over"
"""On the volume: the id of the container that it speaks for."""

_OURS = "gantry."
_ENOUGH = 12
"""Digits of a container's id that tell it from others, as Docker itself shows them."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One such volume."""

    name: str
    container: str
    labels: Mapping[str, str]

    @property
    def service(self) -> str:
        """Whose the container is."""
        return self.labels.get(SERVICE, "")


def mark(replica: str, container: str, labels: Mapping[str, str]) -> Mark:
    """The mark by which a container is a replica. It has the same name whoever makes it."""
    name = f"gantry-{replica}-{container[:_ENOUGH]}"
    return Mark(name, container, {**labels, TAKEN_OVER: container})


def marks(volumes: Iterable[Mapping[str, Any]] | None) -> list[Mark]:
    """Those among what `GET /volumes` lists (Docker Engine API 1.41)."""
    found = ((each["Name"], each.get("Labels") or {}) for each in volumes or ())
    return [Mark(name, told[TAKEN_OVER], told) for name, told in found if TAKEN_OVER in told]


def candidates(marked: Iterable[Mark], labels: Mapping[str, str]) -> list[str]:
    """The marked containers that may have such labels, "" standing for any value, though the
    engine does not see them there."""
    wanted = {name: value for name, value in labels.items() if name.startswith(_OURS)}
    return sorted({each.container for each in marked if wanted and _has(each.labels, wanted)})


def labelled(
    listed: Iterable[Mapping[str, Any]], marked: Iterable[Mark], labels: Mapping[str, str]
) -> list[Mapping[str, Any]]:
    """Containers of a list with what their marks say among their labels, and of them those that
    have the labels that were asked for, once each."""
    said = {each.container: each.labels for each in marked}
    full = [
        {**each, "Labels": {**(each.get("Labels") or {}), **said.get(each["Id"], {})}}
        for each in listed
    ]
    return list({each["Id"]: each for each in full if _has(each["Labels"], labels)}.values())


def inspected(container: Mapping[str, Any], listed: Mapping[str, Any]) -> Mapping[str, Any]:
    """A container looked at whole, with the labels that it has in such a list."""
    config = {**container["Config"], "Labels": listed.get("Labels") or {}}
    return {**container, "Config": config}


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    return all(name in labels and value in ("", labels[name]) for name, value in wanted.items())
