"""One engine, asked in threads of its own: docker-py for asyncio, its errors translated."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound

from deployers.docker.client import connected
from deployers.docker.streams import streamed
from deployers.docker.ways.connection import Connection, Cut, Way
from domain.errors import OpsError, Refused

Result = TypeVar("Result")

CALLS = 8
"""Calls to one engine at once; more wait. A slow engine takes none of another's threads."""

_BAD_REQUEST, _OTHER_VERSION = 400, "client version"
_BROKEN = (DockerException, requests.RequestException, OSError)


class Gone(Refused):
    """What was asked about is not there (404)."""


class Answer(OpsError):
    """An engine's no. `status` is HTTP's."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Line:
    """The connection to one engine, and whoever speaks over it."""

    def __init__(self, name: str, connection: Connection) -> None:
        self._connection = connection
        self._threads = ThreadPoolExecutor(CALLS, thread_name_prefix=f"docker-{name}")
        self._client: tuple[Way, docker.APIClient] | None = None
        self._connecting = asyncio.Lock()

    async def call(
        self, ask: Callable[[docker.APIClient], Result], *, settle: bool = False
    ) -> Result:
        """Ask in a thread. With `settle` somebody who stops waiting waits for the answer all the
        same, so that nothing happens behind their back.

        Where the way was cut under it and stands again, the rest is asked once more: to ask twice
        changes nothing, and a model that loads for minutes outlives a hiccup of the network. So it
        is where the engine was replaced by one of another version, which does nothing for us then.
        """
        try:
            return await self._asked(ask, settle=settle)
        except Answer as answer:
            if answer.status != _BAD_REQUEST or _OTHER_VERSION not in str(answer):
                raise
            self._client = None
            return await self._asked(ask, settle=settle)
        except Cut:
            if settle:
                raise
            return await self._asked(ask, settle=False)

    async def stream(self, begin: Callable[[], Iterator[Result]]) -> AsyncIterator[Result]:
        """What comes as it comes, read in a thread of its own. Raises Gone or Answer."""
        try:
            async for each in streamed(begin):
                yield each
        except _BROKEN as error:
            raise await self._translated(error) from error

    async def open(self) -> docker.APIClient:
        """The client for the way that stands; a new one where that changed. Raises what is wrong
        with the way."""
        async with self._connecting:
            way = await self._connection.open()
            if self._client is None or self._client[0] != way:
                loop = asyncio.get_running_loop()
                try:
                    client = await loop.run_in_executor(self._threads, connected, way)
                except _BROKEN as error:
                    raise await self._connection.explain(error) from error
                self._client = (way, client)
            return self._client[1]

    async def aclose(self) -> None:
        """Let go of the engine, then of the way to it."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if self._client:
            self._client[1].close()
        await self._connection.aclose()

    async def _asked(self, ask: Callable[[docker.APIClient], Result], *, settle: bool) -> Result:
        client = await self.open()
        asked = asyncio.get_running_loop().run_in_executor(self._threads, ask, client)
        try:
            return await (asyncio.shield(asked) if settle else asked)
        except asyncio.CancelledError:
            if settle:
                await asyncio.wait([asked])
            raise
        except _BROKEN as error:
            raise await self._translated(error) from error

    async def _translated(self, error: Exception) -> Exception:
        if isinstance(error, (NotFound, ImageNotFound)) and error.explanation:
            return Gone(error.explanation)
        if isinstance(error, APIError) and error.status_code is not None:
            return Answer(error.status_code, str(error.explanation or error))
        return await self._connection.explain(error)
