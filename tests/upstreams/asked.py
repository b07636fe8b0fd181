"""A request that a scripted upstream got, and what became of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.upstreams.wire import Headers


class Fate(StrEnum):
    """How a request ended, from where the upstream stands."""

    ANSWERED = "answered"
    """Everything that was to be sent was sent, be it an error."""
    LEFT = "left"
    """The client closed before that."""
    CUT = "cut"
    """The upstream closed or reset the connection, as its script said."""


@dataclass(eq=False)
class Asked:
    """One request."""

    method: str
    target: str
    headers: Headers
    body: bytes
    connection: int
    """Which connection it came on, counted from 0: two requests on one show that it was kept."""
    at: float
    """When, in the time of the event loop."""
    fate: Fate | None = None
    """None while it is in flight."""
    ended_at: float | None = None
    """When the fate was clear; with LEFT, when the client closed."""
    sent: int = 0
    """Bytes of the answer written so far."""
    _go: asyncio.Event = field(default_factory=asyncio.Event)
    _paused: asyncio.Event = field(default_factory=asyncio.Event)
    _over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]

    @property
    def json(self) -> Any:
        """The body, read. None for no body, and for one that is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None

    @property
    def model(self) -> str:
        """What it asked for, by name."""
        return str(self._said("model", "none"))

    @property
    def streamed(self) -> bool:
        """Whether the answer shall come in events."""
        return bool(self._said("stream", False))

    @property
    def wants_usage(self) -> bool:
        """Whether a stream shall end with what it took."""
        told = self._said("stream_options", None)
        responses = self.path.endswith("/responses")
        return responses or bool(isinstance(told, dict) and told.get("include_usage"))

    def header(self, name: str) -> str | None:
        """The first header of that name, however it is written; None without one."""
        values = (value for key, value in self.headers if key.lower() == name.lower())
        return next(values, None)

    def proceed(self) -> None:
        """End the pause that the script has for it, now or when it comes to it."""
        self._go.set()

    async def paused(self) -> None:
        """Wait until it has come to a pause; what was to be sent before is sent."""
        await self._paused.wait()

    async def over(self) -> Fate:
        """Wait for its end."""
        await self._over.wait()
        assert self.fate is not None
        return self.fate

    async def pause(self) -> None:
        """The upstream's side of `proceed`."""
        self._paused.set()
        await self._go.wait()
        self._go.clear()
        self._paused.clear()

    def end(self, fate: Fate, at: float) -> None:
        """Note the end; only the first counts."""
        if self.fate is None:
            self.fate, self.ended_at = fate, at
            self._over.set()

    def _said(self, name: str, default: Any) -> Any:
        told = self.json
        return told.get(name, default) if isinstance(told, dict) else default
