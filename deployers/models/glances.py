"""What a GGUF file or a whole repository at a hub is like, without fetching it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from deployers.models.gguf import Header, read_header
from deployers.models.hub import Hub
from deployers.models.repositories import Repository
from domain.errors import OpsError
from domain.sources import Source

T = TypeVar("T")

_GLANCE = 1 << 20
"""Bytes that hold what is asked of nearly every header, which begins with it."""
_LOOK = 32 << 20
"""Bytes that hold the vocabulary too, for those that have it first."""
_FRESH = 60.0
_STALE = 10.0
"""Seconds for which an answer, and a refusal, stand: one question asks several times."""


@dataclass(frozen=True, slots=True)
class Glance:
    """A file that is at a hub."""

    header: Header
    size: int | None
    """Bytes."""


class Glances:
    """Looks at files and repositories at a hub, at each once a minute at most."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._seen: dict[Source, tuple[float, Any]] = {}
        self._looking = asyncio.Lock()
        """One question asks several times, and some of that at once."""

    async def at(self, source: Source) -> Glance:
        """What the file is like. A header that cannot be read is an empty one.

        Raises Refused for what is gated or missing, Unreachable for a hub that does not answer.
        """
        return await self._once(source, self._look)

    async def repository(self, source: Source) -> Repository:
        """What a repository of safetensors is like. Raises as `Hub.repository` does."""
        return await self._once(source, self._hub.repository)

    async def _once(self, source: Source, look: Callable[[Source], Awaitable[T]]) -> T:
        async with self._looking:
            now = self._hub.clock.monotonic()
            self._seen = {key: kept for key, kept in self._seen.items() if kept[0] > now}
            if source not in self._seen:
                try:
                    self._seen[source] = (now + _FRESH, await look(source))
                except OpsError as error:
                    self._seen[source] = (now + _STALE, error)
            found: T | OpsError = self._seen[source][1]
        if isinstance(found, OpsError):
            raise type(found)(found.summary, found.hint)
        return found

    async def _look(self, source: Source) -> Glance:
        size = None
        for count in (_GLANCE, _LOOK):
            beginning = await self._hub.beginning(source, count)
            size = beginning.size
            try:
                return Glance(read_header(io.BytesIO(beginning.data)), size)
            except ValueError:
                if len(beginning.data) < count:  # that was all of it
                    break
        return Glance(Header(), size)
