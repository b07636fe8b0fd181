"""What of a project is on a host already, whose it is, and what may be taken over of it. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from deployers.docker.compose.adopted import Adopted
from deployers.docker.container import ADOPTED, REVISION, SERVICE
from deployers.docker.looking import ALIVE, labels_of, moment
from deployers.docker.marks import TAKEN_OVER
from domain.errors import Refused
from domain.expiries import moment as written
from domain.expiries import span
from domain.services import ServiceSpec

_SERVICE = "com.docker.compose.service"
_FILES = "com.docker.compose.project.config_files"
_RECIPE = "com.docker.compose.config-hash"
_ONCE = "com.docker.compose.oneoff"
"""Labels of Compose's own (docker/compose v2, `pkg/api/labels.go`)."""

_FLAG = "--take-over yes"


@dataclass(frozen=True, slots=True)
class Standing:
    """One container of a project."""

    id: str
    name: str
    service: str
    """Of the project."""
    status: str
    """The engine's word."""
    since: datetime | None
    """When it was started last."""
    health: str
    """What its own health check says, in the engine's word; "" without one."""
    image: str
    """Its id."""
    ports: frozenset[int]
    """Inside, that lead somewhere outside."""
    recipe: str
    """Of which files' content it was made, as Compose sums it up."""
    files: frozenset[str]
    """By which it was made."""
    owner: str | None
    """The service of Gantry's that it belongs to; None for one that is none of ours."""
    marked: str | None
    """The revision as which it was taken over; None if it was not."""

    @property
    def runs(self) -> bool:
        """Whether it can serve."""
        return self.status == "running"

    @property
    def alive(self) -> bool:
        """Whether it is up, if only paused, or about to be started again."""
        return self.status in ALIVE


def standing(containers: Sequence[Mapping[str, Any]]) -> list[Standing]:
    """Those of a project among what `GET /containers/ID/json` told, by their names."""
    found = [_read(each) for each in containers if labels_of(each).get(_ONCE) != "True"]
    return sorted(found, key=lambda each: each.name)


def incumbent(
    want: ServiceSpec, project: Adopted, there: Sequence[Standing], files: Sequence[Path], made: str
) -> Standing | None:
    """The container to be taken over as it runs; None where none is in the way.

    `made` is the checksum of what the files say now. Raises Refused for one that is somebody
    else's, or cannot be taken over.
    """
    serving = [each for each in there if each.service == project.service]
    for each in serving:
        if each.owner not in (None, want.name):
            raise Refused(f"{each.name} is {each.owner}'s", hint="a container serves one service")
    strangers = [each for each in serving if each.owner is None]
    if not strangers:
        return None
    if len(serving) > 1:
        raise Refused(
            f"{len(serving)} containers of {project.service} are there, and one can serve",
            hint=f"scale it down: docker compose -p {project.name} up -d --no-recreate "
            f"--scale {project.service}=1",
        )
    _refuse_unfit(want, project, strangers[0], files, made)
    return strangers[0]


def refuse_strangers(
    project: Adopted, service: str, there: Sequence[Standing], now: datetime
) -> None:
    """Raise Refused where anything of a project is there that does not belong to a service."""
    strangers = [each for each in there if each.owner != service]
    if not strangers:
        return
    whose = next((each.owner for each in strangers if each.owner), None)
    owner = f"{whose} has adopted it" if whose else "it was not Gantry that started it"
    down = "take it down, which leaves its volumes, and deploy again: "
    down += f"docker compose -p {project.name} down"
    raise Refused(
        f"the project {project.name} is on that host already, and {owner}: {listing(there, now)}",
        hint=f"`!remove {whose}` takes it down, and leaves its volumes"
        if whose
        else f"`{_FLAG}` has it taken over as it runs; or {down}",
    )


def foretold(
    want: ServiceSpec,
    project: Adopted,
    there: Sequence[Standing],
    taken: Standing | None,
    made: str,
    now: datetime,
) -> tuple[str, ...]:
    """What a plan has to say of it, a sentence each, without its end."""
    if taken is None:
        anew = (each for each in there if each.marked not in (None, want.revision))
        return tuple(
            f"{each.name}, which was taken over, is made anew by the project's files as they are "
            "now: what is in no volume of it is lost"
            for each in anew
        )
    told = [
        f"the project {project.name} is there already, and it was not Gantry that started it: "
        f"{listing(there, now)}",
        f"{taken.name} is taken over as it runs: nothing stops or is made anew, it goes on as it "
        "is should that fail, and the rest of the project stays its owner's",
    ]
    if taken.recipe != made:
        told.append(
            f"the project's files say other things of {project.service} by now than {taken.name} "
            "was made from; the first change that makes it anew takes them in"
        )
    return tuple(told)


def listing(there: Sequence[Standing], now: datetime) -> str:
    """Each of them with how it is: `chat-server-1 runs since 14:02 (3 h), healthy`."""
    return "; ".join(_told(each, now) for each in there)


def _told(each: Standing, now: datetime) -> str:
    if each.status not in ("running", "paused") or each.since is None:
        return f"{each.name} does not run ({each.status})"
    how = f"runs since {written(each.since, now)} ({span((now - each.since).total_seconds())})"
    health = f", {each.health}" if each.health else ", without a health check"
    return f"{each.name} {how}{', paused' if each.status == 'paused' else health}"


def _refuse_unfit(
    want: ServiceSpec, project: Adopted, found: Standing, files: Sequence[Path], made: str
) -> None:
    if not found.runs:
        raise Refused(
            f"{found.name} is there, not by Gantry, and does not run ({found.status})",
            hint=f"start it (docker compose -p {project.name} start), or take the project down, "
            "and deploy again",
        )
    if found.recipe != made and found.files != frozenset(map(str, files)):
        by = ", ".join(sorted(found.files)) or "no file that is known"
        raise Refused(
            f"{found.name} was made by {by}, and not as {want.source} has it",
            hint="name the project that it was made by, or bring it up by this one first",
        )
    if project.port not in found.ports:
        raise Refused(
            f"{found.name} publishes no port {project.port}, as its file has it by now",
            hint=f"bring it up by its file: docker compose -p {project.name} up -d",
        )
    if want.env:
        raise Refused(
            "what runs already can be given no `--env`",
            hint="take it over without, and deploy it with `--env` then: that makes it anew",
        )


def _read(container: Mapping[str, Any]) -> Standing:
    labels, state = labels_of(container), container["State"]
    ports = (container.get("NetworkSettings") or {}).get("Ports") or {}
    return Standing(
        id=container["Id"],
        name=str(container["Name"]).lstrip("/"),
        service=labels.get(_SERVICE, ""),
        status=state["Status"],
        since=moment(state.get("StartedAt")),
        health=_health(state),
        image=container["Image"],
        ports=frozenset(int(port.partition("/")[0]) for port, bound in ports.items() if bound),
        recipe=labels.get(_RECIPE, ""),
        files=frozenset(filter(None, labels.get(_FILES, "").split(","))),
        owner=labels.get(SERVICE) or labels.get(ADOPTED),
        marked=labels.get(REVISION) if TAKEN_OVER in labels else None,
    )


def _health(state: Mapping[str, Any]) -> str:
    said = str((state.get("Health") or {}).get("Status", ""))
    words = {"starting": "its health check has not said yet", "none": ""}
    return words.get(said, said)
