"""Brings replicas up by `docker compose`, and takes back what it left."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Coroutine, Iterable
from pathlib import PureWindowsPath
from typing import Any

from deployers.docker.api import CONFLICT, Answer, Api
from deployers.docker.compose.program import HOW, Program
from deployers.docker.compose.project import rendered, volumes
from deployers.docker.container import PROJECT, REPLICA, Container
from deployers.docker.looking import labels_of
from deployers.docker.shelf import Mount, on_host
from deployers.docker.ways.connection import Connection
from domain.errors import Unsupported
from domain.services import ServiceSpec

_UP = ("--file", "-", "up", "--detach", "--no-build", "--pull", "never")
_WITHIN = 60.0
"""Seconds. The image is there by then, and readiness is waited for by ourselves."""

_NEWS = re.compile(r"\s*(?:Container|Volume|Network|Image) |time=\"")
_FROM_THE_ENGINE = "Error response from daemon: "
_NAME_TAKEN = "is already in use by container"
_NOT_REACHED = re.compile(r"cannot connect to the docker daemon|failed to connect", re.IGNORECASE)
_CUT_OFF = re.compile(r"error during connect|\bEOF\b|connection reset|broken pipe", re.IGNORECASE)


class Compose:
    """Makes and starts containers of one engine as Compose projects.

    They are watched, stopped and taken away like any others: a project without a container is no
    more, and none of them has anything else of its own.
    """

    def __init__(self, api: Api, connection: Connection, program: Program, *, always: bool) -> None:
        self._api, self._connection = api, connection
        self._program, self._always = program, always

    def asked(self, want: ServiceSpec) -> bool:
        """Whether replicas of a service are to be projects, by its own wish or the target's."""
        return self._always or want.compose

    def missing(self) -> str | None:
        """Why there can be no projects; None while nothing is known against them."""
        return self._program.missing()

    def fit(self, want: ServiceSpec, mounts: Iterable[Mount], missing: str | None) -> None:
        """Raises Unsupported for a service that is to be projects and cannot be, for what is
        `missing`, or for what it mounts."""
        if not self.asked(want):
            return
        if missing:
            raise Unsupported(f"it cannot be a Compose project: {missing}", hint=HOW)
        for mount in mounts:
            if mount.kind == "bind" and isinstance(on_host(mount.source), PureWindowsPath):
                raise Unsupported(
                    f"it cannot be a Compose project: Compose takes {mount.source} for a path of "
                    "the bot's machine",
                    hint="leave Compose out, or take a model of the volume: hf://org/repo/file",
                )

    async def check(self) -> None:
        """Run it once. Raises Refused, with how to get it, where that fails."""
        await self._program.version()

    async def up(self, wanted: Container) -> None:
        """Make the container and start it, or leave nothing of it.

        Who stops waiting waits for the end of it all the same. Raises Answer for an engine's no,
        in its own words; Unreachable or Refused as the connection has it.
        """
        await whole(self._up(wanted), f"compose {wanted.name}")

    async def _up(self, wanted: Container) -> None:
        way = await self._connection.open()
        for name in volumes(wanted):
            await self._api.have_volume(name)
        words = ("--project-name", wanted.name, *_UP)
        try:
            said = await self._program.run(way, words, given=rendered(wanted), within=_WITHIN)
        except TimeoutError as error:
            await self._take_back(wanted)
            raise await self._connection.explain(error) from error
        if said.code != 0:
            answer = refusal(said.text)
            if isinstance(answer, Answer):
                await self._take_back(wanted)
                raise answer
            raise await self._connection.explain(answer) from answer

    async def _take_back(self, wanted: Container) -> None:
        """What it made. A container of that name may also be somebody else's."""
        for found in await self._api.containers(**{REPLICA: wanted.name}):
            if labels_of(found).get(PROJECT) == wanted.name:
                await self._api.remove(found["Id"])


async def whole(work: Coroutine[Any, Any, None], name: str) -> None:
    """Do it to its end: who stops waiting waits for that all the same."""
    going = asyncio.create_task(work, name=name)
    try:
        await asyncio.shield(going)
    except asyncio.CancelledError:
        await asyncio.wait({going})
        going.exception()  # nobody is there to hear of it
        raise


def refusal(text: str) -> Answer | ConnectionError:
    """Why it failed, from what it wrote: the engine's no, or that there was no engine. Pure."""
    lines = [line for line in text.splitlines() if line.strip() and not _NEWS.match(line)]
    why = "\n".join(lines).replace(_FROM_THE_ENGINE, "").strip()
    if _NOT_REACHED.search(why):
        return ConnectionRefusedError(why)
    if _CUT_OFF.search(why):
        return ConnectionResetError(why)
    return Answer(CONFLICT if _NAME_TAKEN in why else 500, why or "docker compose says nothing")
