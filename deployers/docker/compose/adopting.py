"""Brings a project that is there already up by its own files, and takes it down again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from deployers.docker.api import CONFLICT, Answer, Api
from deployers.docker.compose import adopted
from deployers.docker.compose.adopted import Adopted
from deployers.docker.compose.driving import refusal, whole
from deployers.docker.compose.program import HOW, Program
from deployers.docker.container import (
    ADOPTED,
    HARDWARE,
    MADE_OF,
    OPERATION,
    PORT,
    PROJECT,
    REPLICA,
    REVISION,
    SERVICE,
)
from deployers.docker.diagnosis import diagnose
from deployers.docker.diagnosis import refusal as no_of
from deployers.docker.hardware import Choice
from deployers.docker.images import Images, Tell
from deployers.docker.ways.connection import Connection, Way
from domain import made_of
from domain.errors import Refused, Unhealthy, Unsupported
from domain.plans import Plan
from domain.replicas import ReplicaId
from domain.services import ServiceSpec

_NAMES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
_OVERRIDES = (
    "compose.override.yaml",
    "compose.override.yml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
"""What Compose itself looks for in a folder, in its order."""

_READING, _ENDING = 20.0, 120.0
"""Seconds."""

_LISTING = aiohttp.ClientTimeout(total=5)


@dataclass(frozen=True, slots=True)
class Adoption:
    """Adopts projects for services of one engine.

    Every container of such a project is labelled, so that the whole of it is found again and ends
    with the service. One that ran before by itself is a stranger's, and is left alone.
    """

    api: Api
    connection: Connection
    program: Program
    images: Images
    folder: Path | None
    """Of the bot's machine, that projects lie under."""

    def check(self, want: ServiceSpec, target: str, missing: str | None) -> None:
        """Raises Unsupported for what cannot be adopted; `missing` is what Compose lacks."""
        adopted.check(want, target, self.folder)
        if missing:
            raise Unsupported(f"no Compose project can be adopted: {missing}", hint=HOW)

    async def fetch(self, want: ServiceSpec, tell: Tell) -> None:
        """Read the project and have its images there. Raises Refused."""
        await self.program.version()
        project, _ = await self._read(want)
        await self._no_strangers(project, want.name)
        for image in sorted(set(project.images.values())):
            await self.images.fetch(image, tell)

    async def start(self, replica: ReplicaId, plan: Plan, tell: Tell) -> None:
        """Bring the project up with our labels on it, or leave nothing of it but its volumes.

        Who stops waiting waits for the end of it all the same. Raises Unhealthy or Refused.
        """
        want = plan.want
        project, words = await self._read(want)
        await self._no_strangers(project, want.name)
        there = {name: await self.images.fetch(i, tell) for name, i in project.images.items()}
        labels = _labels(replica, plan, project, there[project.service])
        given = adopted.overlaid(project, labels, dict(want.env))
        try:
            within = max(_ENDING, want.startup_budget)
            await whole(self._up(project, words, given, within), f"compose {project.name}")
        except Answer as answer:
            if answer.status == CONFLICT:
                why = "a container that is not Gantry's has a name that the project gives"
                raise Refused(why, hint=str(answer).splitlines()[-1]) from answer
            raise Unhealthy(str(replica), diagnose(None, (), error=str(answer))) from answer

    async def halt(self, service: str) -> None:
        """Stop all of its project, and leave it there to be looked at."""
        for project in await self._projects(service):
            await self._told(project, "stop")

    async def end(self, project: str) -> None:
        """Take a project down: its containers and networks. Volumes stay."""
        await whole(self._told(project, "down"), f"compose down {project}")

    async def end_all(self, service: str) -> None:
        """Take down whatever is left that was adopted for a service."""
        for project in await self._projects(service):
            await self.end(project)

    async def _up(
        self, project: Adopted, words: tuple[str, ...], given: str, within: float
    ) -> None:
        words = (*words, "--file", "-", "up", "--detach", "--no-build", "--pull", "never")
        try:
            await self._run(words, within, given)
        except Answer:
            await self._told(project.name, "down")
            raise

    async def _told(self, project: str, what: str) -> None:
        """By its containers' labels: its files may be others by now, or gone."""
        try:
            await self._run(("--project-name", project, what), _ENDING)
        except Answer as no:
            raise no_of(f"`docker compose {what}` failed for {project}", str(no)) from no

    async def _run(self, words: tuple[str, ...], within: float, given: str = "") -> str:
        """Raises Answer for a no, in its own words; Unreachable or Refused as the connection has
        it."""
        way = await self.connection.open()
        try:
            said = await self.program.run(way, words, given=given, within=within)
        except TimeoutError as error:
            raise Answer(500, f"docker compose took more than {within:g} s") from error
        if said.code != 0:
            no = refusal(said.text)
            raise no if isinstance(no, Answer) else await self.connection.explain(no)
        return said.text

    async def _read(self, want: ServiceSpec) -> tuple[Adopted, tuple[str, ...]]:
        """(what it comes to, the options that name its files). Asks no engine. Raises Refused."""
        try:
            words = _words(self._files(Path(want.source.location)))
        except OSError as error:
            raise Refused(f"{want.source} cannot be read: {error.strerror}") from error
        asked = (*words, "config", "--format", "json")
        try:
            said = await self.program.run(Way(""), asked, within=_READING)
        except TimeoutError as error:
            raise Refused(f"{want.source} took too long to read") from error
        if said.code != 0:
            why = str(refusal(said.text)).splitlines()[-1][:300]
            raise Refused(f"Compose cannot read {want.source}: {why}", hint="see the file")
        return adopted.read(_json(said.text), dict(want.settings)), words

    def _files(self, place: Path) -> tuple[Path, ...]:
        """Those of the project, links followed, so that none of them leads out of the folder."""
        folder = (self.folder or place).resolve()
        found = [place]
        if place.is_dir():
            found = [*_first(place, _NAMES), *_first(place, _OVERRIDES)]
        if not found or not found[0].is_file():
            raise Refused(
                f"there is no Compose project at {place}",
                hint="name its folder or file on the bot's machine, not the target's",
            )
        if not all(each.resolve().is_relative_to(folder) for each in found):
            raise Refused(f"{place} leads out of the folder that projects lie under")
        return tuple(found)

    async def _no_strangers(self, project: Adopted, service: str) -> None:
        for found in await self.api.containers(**{PROJECT: project.name}):
            whose = (found["Config"].get("Labels") or {}).get(ADOPTED)
            if whose != service:
                owner = f"{whose} has adopted it" if whose else "it was not Gantry that started it"
                raise Refused(
                    f"the project {project.name} is on that host already, and {owner}",
                    hint="take that down, which leaves its volumes, and deploy again: "
                    f"docker compose -p {project.name} down",
                )

    async def _projects(self, service: str) -> list[str]:
        found = await self.api.containers(**{ADOPTED: service})
        return sorted({each["Config"]["Labels"][PROJECT] for each in found})


async def listed(url: str, name: str) -> bool:
    """Whether a server lists a model under a service's name. False while it lists none.

    Raises Refused for one that lists others only: requests could not reach them.
    """
    try:
        async with (
            aiohttp.ClientSession(url, timeout=_LISTING) as session,
            session.get("/v1/models") as answer,
        ):
            said = await answer.json() if answer.ok else {}
            names = [str(each["id"]) for each in said.get("data") or ()]
    except (aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError, AttributeError):
        return False
    if names and name not in names:
        raise Refused(
            f"it serves {', '.join(names[:5])}, and nothing that is called {name}",
            hint="name the service like the model, or have it serve the model under this name",
        )
    return name in names


def _labels(replica: ReplicaId, plan: Plan, project: Adopted, image: str) -> Mapping[str, str]:
    made = (
        (made_of.PROJECT, str(plan.want.source)),
        (made_of.IMAGE, image),
        (made_of.HARDWARE, str(Choice(project.hardware))),
    )
    return {
        SERVICE: plan.want.name,
        REVISION: plan.want.revision,
        REPLICA: str(replica),
        OPERATION: plan.operation,
        HARDWARE: project.hardware,
        PORT: str(project.port),
        MADE_OF: json.dumps(made),
    }


def _words(files: tuple[Path, ...]) -> tuple[str, ...]:
    """The options that name a project, with its own `.env` and nobody else's."""
    folder = files[0].parent
    own = (("--env-file", str(folder / ".env")),) if (folder / ".env").is_file() else ()
    named = (("--file", str(file)) for file in files)
    pairs = (*own, ("--project-directory", str(folder)), *named)
    return tuple(word for pair in pairs for word in pair)


def _first(folder: Path, names: tuple[str, ...]) -> list[Path]:
    return [folder / name for name in names if (folder / name).is_file()][:1]


def _json(said: str) -> Mapping[str, Any]:
    """The object in what it wrote, which may have warnings before it."""
    at = said.find("{\n") if not said.startswith("{\n") else 0
    try:
        found: Mapping[str, Any] = json.JSONDecoder().raw_decode(said, max(at, 0))[0]
    except ValueError as error:
        raise Refused("Compose says nothing of the project that can be understood") from error
    return found
