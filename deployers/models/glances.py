"""What a GGUF file at a hub says of itself, without fetching it."""

from __future__ import annotations

import io
from dataclasses import dataclass

from deployers.models.gguf import Header, read_header
from deployers.models.hub import Hub
from deployers.models.repositories import Repository
from domain.errors import OpsError
from domain.sources import Source

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
    """Looks at files at a hub, each once a minute at most."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._seen: dict[Source, tuple[float, Glance | OpsError]] = {}

    async def at(self, source: Source) -> Glance:
        """What the file is like. A header that cannot be read is an empty one.

        Raises Refused for what is gated or missing, Unreachable for a hub that does not answer.
        """
        now = self._hub.clock.monotonic()
        self._seen = {key: kept for key, kept in self._seen.items() if kept[0] > now}
        if source not in self._seen:
            try:
                self._seen[source] = (now + _FRESH, await self._look(source))
            except OpsError as error:
                self._seen[source] = (now + _STALE, error)
        _, found = self._seen[source]
        if isinstance(found, OpsError):
            raise type(found)(found.summary, found.hint)
        return found

    async def repository(self, source: Source) -> Repository:
        """What a repository of safetensors is like. Raises as `Hub.repository` does."""
        return await self._hub.repository(source)

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
