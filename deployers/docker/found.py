"""What was found out about the models of a Docker host, and for how long it counts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from deployers.models.checksums import Known
from deployers.models.gguf import Header
from domain import made_of
from domain.clock import Clock
from domain.made_of import MadeOf
from domain.sources import Source

FRESH = 10.0
"""Seconds for which what was seen of a model counts."""

Stat = Mapping[str, Any]
"""What a host's file system says of a path."""

_SAME = ("name", "size", "mtime")
"""What of it tells one file from another that was put in its place."""


@dataclass(frozen=True, slots=True)
class Found:
    """A model that is on a host."""

    source: Source
    size: int | None
    """Bytes; None for a folder."""
    header: Header = field(default_factory=Header)
    """Empty for what is not GGUF."""
    known: Known | None = None
    """What was found out when it was fetched."""

    @property
    def made_of(self) -> MadeOf:
        """What is told of it, by the names in `domain/made_of.py`."""
        known = self.known or Known("")
        told = (
            (made_of.FILE, str(self.source)),
            (made_of.SIZE, "" if self.size is None else str(self.size)),
            (made_of.SHA256, known.sha256),
            (made_of.COMMIT, known.commit or ""),
        )
        return tuple((what, which) for what, which in told if which)


class Lately:
    """What was seen a moment ago, so that one change opens one shelf, not four; and headers, for
    as long as their files are as they were."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._found: dict[Source, tuple[float, Found]] = {}
        self._headers: dict[Source, tuple[Stat, Header]] = {}

    def note(self, found: Found | None) -> None:
        """It was there just now."""
        if found is not None:
            self._found[found.source] = self._clock.monotonic(), found

    def of(self, source: Source) -> Found | None:
        """What was seen; None for what was not, or too long ago."""
        at, found = self._found.get(source, (0.0, None))
        return found if found and self._clock.monotonic() - at < FRESH else None

    async def header(
        self, source: Source, stat: Stat, read: Callable[[], Awaitable[Header]]
    ) -> Header:
        """What was read of a file that was as large and as old then as it is now; else read now."""
        was, header = self._headers.get(source, (None, Header()))
        if was is None or any(was.get(what) != stat.get(what) for what in _SAME):
            header = await read()
            self._headers[source] = stat, header
        return header
