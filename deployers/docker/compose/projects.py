"""Projects of somebody else's: their files read, and `docker compose` run on them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployers.docker.api import CONFLICT, Answer
from deployers.docker.compose import adopted
from deployers.docker.compose.adopted import Adopted
from deployers.docker.compose.driving import refusal, whole
from deployers.docker.compose.program import Program
from deployers.docker.diagnosis import diagnose
from deployers.docker.diagnosis import refusal as no_of
from deployers.docker.ways.connection import Connection, Way
from domain.errors import Refused, Unhealthy
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


@dataclass(frozen=True, slots=True)
class Read:
    """A project as its files have it."""

    project: Adopted
    files: tuple[Path, ...]
    words: tuple[str, ...]
    """The options that name them."""


@dataclass(frozen=True, slots=True)
class Up:
    """How a project is to come up."""

    replica: ReplicaId
    read: Read
    given: str
    """What is laid over its files."""
    within: float
    """Seconds."""
    only: bool = False
    """Whether the service that answers comes up alone, without those that it depends on."""


@dataclass(frozen=True, slots=True)
class Projects:
    """Those of one engine."""

    connection: Connection
    program: Program
    folder: Path | None
    """Of the bot's machine, that projects lie under."""

    async def read(self, want: ServiceSpec) -> Read:
        """What a project's files come to. Asks no engine. Raises Refused."""
        try:
            files = self._files(Path(want.source.location))
            words = _words(files)
        except OSError as error:
            raise Refused(f"{want.source} cannot be read: {error.strerror}") from error
        said = await self._config(want, (*words, "config", "--format", "json"))
        return Read(adopted.read(_json(said), dict(want.settings)), files, words)

    async def recipe(self, want: ServiceSpec, read: Read) -> str:
        """The checksum by which Compose tells whether a container is as its files have it."""
        service = read.project.service
        said = await self._config(want, (*read.words, "config", "--hash", service))
        pairs = (line.split() for line in said.splitlines())
        return next((pair[1] for pair in pairs if len(pair) == 2 and pair[0] == service), "")

    async def up(self, up: Up, take_back: Callable[[], Awaitable[None]]) -> None:
        """Bring it up, and `take_back` what came of that where it fails.

        Who stops waiting waits for the end of it all the same. Raises Unhealthy or Refused.
        """
        try:
            await whole(self._up(up, take_back), f"compose {up.read.project.name}")
        except Answer as answer:
            if answer.status == CONFLICT:
                why = "a container that is not Gantry's has a name that the project gives"
                raise Refused(why, hint=str(answer).splitlines()[-1]) from answer
            failure = diagnose(None, (), error=str(answer))
            raise Unhealthy(str(up.replica), failure) from answer

    async def told(self, project: str, what: str) -> None:
        """By its containers' labels: its files may be others by now, or gone. Raises Refused."""
        try:
            await self._run(("--project-name", project, what), _ENDING)
        except Answer as no:
            raise no_of(f"`docker compose {what}` failed for {project}", str(no)) from no

    async def _up(self, up: Up, take_back: Callable[[], Awaitable[None]]) -> None:
        words = (*up.read.words, "--file", "-", "up", "--detach", "--no-build", "--pull", "never")
        if up.only:
            words = (*words, "--no-deps", up.read.project.service)
        try:
            await self._run(words, max(_ENDING, up.within), up.given)
        except Answer:
            await take_back()
            raise

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

    async def _config(self, want: ServiceSpec, asked: tuple[str, ...]) -> str:
        try:
            said = await self.program.run(Way(""), asked, within=_READING)
        except TimeoutError as error:
            raise Refused(f"{want.source} took too long to read") from error
        if said.code != 0:
            why = str(refusal(said.text)).splitlines()[-1][:300]
            raise Refused(f"Compose cannot read {want.source}: {why}", hint="see the file")
        return said.text

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
