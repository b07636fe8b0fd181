"""Having the weights on a Docker host before a replica is started."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from deployers.docker.api import Answer, Api, Gone
from deployers.docker.diagnosis import refusal
from deployers.docker.failures import tarred
from deployers.docker.images import Tell
from deployers.docker.shelf import Mount, Shelf
from deployers.engines.preset import WEIGHTS
from deployers.models.bundled import bundled
from domain.errors import Refused
from domain.sources import Source

_ROLE = "gantry.role"
_SHELF = "shelf"


class Models:
    """The models of one Docker host, in its volume and its directory."""

    def __init__(self, api: Api, shelf: Shelf) -> None:
        self._api, self._shelf = api, shelf

    async def fetch(self, source: Source, image: str, tell: Tell) -> None:
        """Have a model there. What an engine fetches by itself is left to it.

        `image` is any that is there: a container of it, which is never started, is the way in.
        Raises Refused in words that say what to do.
        """
        if source.scheme == "path":
            await self._must_be_there(source, image)
        elif source.scheme == "tiny":
            await self._bring(source, image, tell)

    async def size(self, source: Source, image: str) -> int | None:
        """Bytes of a model's file; None where it is not there, or is a folder."""
        weights, mounts = self._shelf.find(source)
        try:
            async with self._open(image, mounts) as shelf:
                stat, _ = await self._api.get(shelf, weights.path, 0)
        except (Gone, Answer):
            return None
        return int(stat["size"])

    async def _must_be_there(self, source: Source, image: str) -> None:
        weights, mounts = self._shelf.find(source)
        try:
            async with self._open(image, mounts) as shelf:
                await self._api.get(shelf, weights.path, 0)
        except Gone as error:
            raise Refused(
                f"there is no {source.location} on that host",
                hint="check the path, which is one of the target's host",
            ) from error
        except Answer as answer:
            raise refusal(f"{source} cannot be read there", str(answer)) from answer

    async def _bring(self, source: Source, image: str, tell: Tell) -> None:
        file = bundled(source)
        folder, content = f"tiny/{file.name}", await asyncio.to_thread(file.read_bytes)
        kept = Mount("volume", self._shelf.volume, WEIGHTS)
        try:
            async with self._open(image, (kept,)) as shelf:
                if await self._has(shelf, f"{WEIGHTS}/{folder}", len(content)):
                    return
                tell(None, f"bringing {source}, {len(content) / 1e6:.2g} MB")
                await self._api.put(shelf, WEIGHTS, tarred(folder, content))
        except Answer as answer:
            raise refusal(f"{source} cannot be put there", str(answer)) from answer

    async def _has(self, shelf: str, path: str, size: int) -> bool:
        try:
            stat, _ = await self._api.get(shelf, path, 0)
        except Gone:
            return False
        return bool(stat["size"] == size)

    @asynccontextmanager
    async def _open(self, image: str, mounts: tuple[Mount, ...]) -> AsyncIterator[str]:
        for left in await self._api.containers(**{_ROLE: _SHELF}):
            if left["State"]["Status"] == "dead":
                await self._api.remove(left["Id"])
        name = f"gantry-shelf-{secrets.token_hex(4)}"
        shelf = await self._api.create_shelf(name, image, mounts, {_ROLE: _SHELF})
        try:
            yield shelf
        finally:
            await self._api.remove(shelf)
