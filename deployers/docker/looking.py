"""What an engine tells of a container, in our words. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deployers.docker.container import ADOPTED, HARDWARE, MADE_OF, OPERATION, PORT, PROJECT, REPLICA
from deployers.docker.marks import TAKEN_OVER
from domain.made_of import MadeOf
from domain.replicas import Phase, ReplicaId

_NEVER = "0001-01-01"
_ASKED = (0, 130, 137, 143)
"""What a process ends with that was asked to: by itself, by SIGINT, SIGKILL or SIGTERM."""

ALIVE = frozenset({"running", "paused", "restarting"})
"""The engine's words for a container that holds resources, and goes on by itself or once it is
let."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A replica's container as it was a moment ago."""

    id: str
    replica: ReplicaId
    operation: str
    status: str
    """The engine's word: `created`, `running`, `restarting`, `paused`, `exited`, `dead`."""
    exit_code: int | None
    """How it ended last; None while it never did."""
    out_of_memory: bool
    error: str
    """What the engine says kept it from starting."""
    started: datetime | None
    ended: datetime | None
    restarts: int
    """How often the engine started it again by itself."""
    served: bool
    """Whether it was ready once: since then the engine keeps it up. Of one that was taken over it
    is believed, for nothing was changed in it."""
    healthy: bool | None
    """What the image's own health check says; None if it has none or has not said yet."""
    port: int | None
    """Of the host, that leads to it."""
    memory: int | None
    """Bytes it may take; None for all there are."""
    hardware: str
    made_of: MadeOf
    project: str | None = None
    """The Compose project that was adopted for it; None for a container of its own."""
    taken_over: bool = False
    """Whether somebody else made it, and it is ours by a mark alone."""

    @property
    def life(self) -> tuple[str, datetime | None]:
        """Tells this run of it from the one before."""
        return self.id, self.started

    @property
    def runs(self) -> bool:
        """Whether its process is there."""
        return self.status in ("running", "paused")

    def phase(self, *, ready: bool) -> Phase:
        """Where it is in its life, if a first token was got of this run of it or not."""
        match self.status:
            case "running":
                return Phase.READY if ready else Phase.LOADING
            case "paused":
                return Phase.LOADING
            case "restarting":
                return Phase.STARTING
            case "created" if not self.error:
                return Phase.PENDING
            case "removing":
                return Phase.STOPPED
        asked = self.exit_code in _ASKED and not self.out_of_memory
        if self.taken_over and not asked:  # the engine may not keep it up
            return Phase.FAILED
        return Phase.STOPPED if self.served else Phase.FAILED

    @property
    def reason(self) -> str | None:
        """Why it is as it is, when a person would ask; None where that is plain or takes a look
        at its log."""
        if self.status == "paused":
            return "somebody paused it"
        if self.served and self.status == "exited":
            return "somebody stopped it"
        if self.restarts:
            again = "once" if self.restarts == 1 else f"{self.restarts} times"
            return f"the engine started it again, {again}"
        return None


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A replica's container in a list: that it is there, and not how it is."""

    id: str
    replica: ReplicaId
    status: str
    """The engine's word."""

    @property
    def alive(self) -> bool:
        """Whether it holds resources: what `Seen.phase` has for alive."""
        return self.status in ALIVE


def glimpse(listed: Mapping[str, Any]) -> Glimpse | None:
    """Read an entry of `GET /containers/json` (Docker Engine API 1.41). None for a container that
    is no replica of ours."""
    try:
        replica = ReplicaId.parse((listed.get("Labels") or {})[REPLICA])
    except (KeyError, ValueError):
        return None
    return Glimpse(listed["Id"], replica, listed["State"])


def seen(container: Mapping[str, Any]) -> Seen | None:
    """Read what `GET /containers/ID/json` answers (Docker Engine API 1.41). None for a container
    that is no replica of ours."""
    labels = labels_of(container)
    state, host = container["State"], container["HostConfig"]
    try:
        replica = ReplicaId.parse(labels[REPLICA])
    except (KeyError, ValueError):
        return None
    ended, taken_over = moment(state.get("FinishedAt")), TAKEN_OVER in labels
    return Seen(
        id=container["Id"],
        replica=replica,
        operation=labels.get(OPERATION, ""),
        status=state["Status"],
        exit_code=state["ExitCode"] if ended or state["ExitCode"] else None,
        out_of_memory=bool(state.get("OOMKilled")),
        error=state.get("Error", ""),
        started=moment(state.get("StartedAt")),
        ended=ended,
        restarts=container.get("RestartCount", 0),
        served=taken_over or (host.get("RestartPolicy") or {}).get("Name") == "unless-stopped",
        healthy={"healthy": True, "unhealthy": False}.get(
            (state.get("Health") or {}).get("Status", "")
        ),
        port=_port(container, labels.get(PORT, "")),
        memory=host.get("Memory") or None,
        hardware=labels.get(HARDWARE, "cpu"),
        made_of=tuple((what, which) for what, which in json.loads(labels.get(MADE_OF, "[]"))),
        project=labels.get(PROJECT) if ADOPTED in labels else None,
        taken_over=taken_over,
    )


def labels_of(container: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels in what `GET /containers/ID/json` answers."""
    return container["Config"].get("Labels") or {}


def _port(container: Mapping[str, Any], inside: str) -> int | None:
    ports = (container.get("NetworkSettings") or {}).get("Ports") or {}
    bound = ports.get(f"{inside}/tcp") or []
    return next((int(each["HostPort"]) for each in bound if each.get("HostPort")), None)


def moment(text: str | None) -> datetime | None:
    """A time as the engine writes it, RFC 3339 with nanoseconds, which are cut to microseconds.

    None for Go's zero time.
    """
    if not text or text.startswith(_NEVER):
        return None
    whole, _, fraction = text.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}").replace(tzinfo=UTC)
