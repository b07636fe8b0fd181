"""The way into a host's volume and directory of models: a container that is never started."""

from __future__ import annotations

import asyncio
import io
import secrets
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import structlog

from deployers.docker.api import Api, Gone
from deployers.docker.looking import moment
from deployers.docker.shelf import ROLE, Mount
from domain.clock import Clock
from domain.errors import OpsError

log = structlog.get_logger()

_SHELF = "shelf"
_ABANDONED = timedelta(minutes=10)
_WITHIN = 5.0
"""Seconds that taking shelves away may take when everything is closed."""
_HEADER = 2048
"""Bytes before the content, in a tar of a file whose name is long."""
_FOLDER = 1 << 31
"""The bit of a mode that says so: Go's os.ModeDir, which the engine's API tells."""


class Place:
    """What an open shelf has."""

    def __init__(self, api: Api, container: str) -> None:
        self._api, self._container = api, container

    async def stat(self, path: str) -> Mapping[str, Any] | None:
        """What its file system says of a path; None for what is not there. Raises Answer."""
        try:
            return await self._api.stat(self._container, path)
        except Gone:
            return None

    async def followed(self, path: str) -> tuple[str, Mapping[str, Any] | None]:
        """(where a path leads, what its file system says of that): an engine tells the end of all
        links. None for what is not there, or is out of a container's sight. Raises Answer."""
        stat = await self.stat(path)
        if not stat or not stat.get("linkTarget"):
            return path, stat
        end = str(stat["linkTarget"])
        there = await self.stat(end)
        return end, None if there and there.get("linkTarget") else there

    async def beginning(self, path: str, most: int) -> bytes:
        """The first bytes of a file. Raises Gone or Answer."""
        _, tar = await self._api.get(self._container, path, most + _HEADER)
        return _content(tar)[:most]

    async def put(self, folder: str, tar: bytes) -> None:
        """Unpack a tar. Raises Answer."""
        await self._api.put(self._container, folder, tar)


class Shelves:
    """The shelves of one host."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self.clock = api, clock
        self._tidying: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def open(self, image: str, mounts: tuple[Mount, ...]) -> AsyncIterator[Place]:
        """A way to what is mounted, through any image that is there. Raises Answer.

        Nobody waits until it is taken away again.
        """
        name = f"gantry-shelf-{secrets.token_hex(4)}"
        container = await self._api.create_shelf(name, image, mounts, {ROLE: _SHELF})
        try:
            yield Place(self._api, container)
        finally:
            task = asyncio.create_task(self._put_away(container), name=f"put away {name}")
            self._tidying.add(task)
            task.add_done_callback(self._tidying.discard)

    async def aclose(self) -> None:
        """Wait until all of them are taken away, but not for one that does not go."""
        if self._tidying:
            await asyncio.wait(self._tidying, timeout=_WITHIN)

    async def any_image(self) -> str | None:
        """Some image that is there; None on a host that has none yet."""
        return await self._api.any_image()

    async def _put_away(self, container: str) -> None:
        try:
            await self._api.remove(container)
            await self._sweep()
        except OpsError as error:  # whoever opens the next one finds it
            log.info("shelf left", container=container[:12], why=error.summary)

    async def _sweep(self) -> None:
        """Take away what bots left that were ended just then: shelves, and errands not begun."""
        for left in await self._api.containers(**{ROLE: ""}):
            made, status = moment(left.get("Created")), left["State"]["Status"]
            old = made is not None and self.clock.now() - made > _ABANDONED
            if status == "dead" or (status == "created" and old):
                await self._api.remove(left["Id"])


def is_folder(stat: Mapping[str, Any]) -> bool:
    """Whether what was asked about is a directory."""
    return bool(int(stat["mode"]) & _FOLDER)


def _content(tar: bytes) -> bytes:
    """What a tar of one file, which may be cut short, has of its content."""
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        member = opened.next()
    if member is None or not member.isfile():
        return b""
    return tar[member.offset_data : member.offset_data + member.size]
