"""A connection by SSH that is kept up: made anew when it ends, its forwardings with it."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from deployers.docker.ways.master import Master
from domain.clock import Clock
from domain.errors import Refused, TargetError, Unreachable

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_BETWEEN_REFUSALS = 5.0
"""Seconds; who is refused again and again is shut out by many a host."""
_PATIENCE = 20.0
_PATIENCE_WHILE_DOWN = 1.5
"""Seconds; less than whoever looks at all targets waits for each, so that they read the reason."""
_BRIEF = 2.0
"""Seconds. A host that lets one in only to hang up is not to be asked again and again."""


Look = Callable[[TargetError], Awaitable[TargetError]]
"""Why a connection could not be made, looked at more closely."""


@dataclass(frozen=True, slots=True)
class Forwarding:
    """What listens here for what listens there."""

    local: str
    """A path, or `127.0.0.1:port`."""
    remote: str
    """A path, or `host:port`."""

    @classmethod
    def of_port(cls, host: str, port: int) -> Forwarding:
        """One on a port of this machine that nobody has just now."""
        host = f"[{host}]" if ":" in host else host
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return cls(f"127.0.0.1:{probe.getsockname()[1]}", f"{host}:{port}")

    @property
    def rule(self) -> str:
        """As ssh(1) has it after -L: in a path, colons part and `%` stands for something."""
        return f"{_literal(self.local)}:{_literal(self.remote)}"


class Tunnel:
    """Keeps a master up from the first time that it is wanted until it is closed."""

    def __init__(self, address: str, master: Master, clock: Clock, closer: Look) -> None:
        """`closer` is asked once for each connection that could not be made."""
        self.master = master
        self._address, self._clock, self._closer = address, clock, closer
        self._keeping: asyncio.Task[None] | None = None
        self._news = asyncio.Condition()
        self._wanted_now = asyncio.Event()
        self._up, self._rise, self._attempts = False, 0, 0
        self._why: TargetError | None = None
        self._held: dict[Forwarding, bool] = {}

    async def up(self) -> int:
        """Wait until the connection stands. Returns how often it was made by now.

        Raises Unreachable or Refused when it cannot be made; soon, when that was so already.
        """
        if self._stands():
            return self._rise
        self._keep()
        self._wanted_now.set()
        seen, down = self._attempts, self._why
        try:
            async with asyncio.timeout(_PATIENCE_WHILE_DOWN if down else _PATIENCE), self._news:
                await self._news.wait_for(lambda: self._stands() or self._attempts > seen)
        except TimeoutError:
            self._keep()  # raises if it came to grief
            raise _again(down or Unreachable(f"{self._address} does not answer")) from None
        if not self._stands():
            raise _again(self._why or Unreachable(f"{self._address} does not answer"))
        return self._rise

    async def hold(self, forwarding: Forwarding) -> None:
        """Have it forwarded, now and after every loss. Raises as `up`, and if it cannot be."""
        await self.up()
        if not self._held.get(forwarding):
            await self._make(forwarding)

    async def aclose(self) -> None:
        """Take it down for good."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.wait({self._keeping})
            self._keeping = None
        self._up = False
        await self.master.stop()

    def _stands(self) -> bool:
        return self._up and self.master.alive

    def _keep(self) -> None:
        if self._keeping is None or self._keeping.done():
            if self._keeping is not None:
                self._keeping.result()  # it ends by a bug only, which is not to be hidden
            self._keeping = asyncio.create_task(self._keep_up(), name=f"tunnel {self._address}")

    async def _keep_up(self) -> None:
        pause, brief = _FIRST_PAUSE, 0
        while True:
            self._wanted_now.clear()
            began = self._clock.monotonic()
            trouble = await self._rise_and_fall()
            if trouble is None:
                brief = brief + 1 if self._clock.monotonic() - began < _BRIEF else 0
                pause = pause if brief else _FIRST_PAUSE
                if brief < 2:  # what was cut once is made again at once
                    await self._tell(up=False, why=None)
                    continue
                trouble = await self.master.ended()
            await self._tell(up=False, why=trouble)
            await self._pause(pause, trouble)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _rise_and_fall(self) -> TargetError | None:
        """Connect, and wait for the end of it. Returns why it could not be; None if it was."""
        try:
            await self.master.start()
            await self._renew()
        except TargetError as error:
            return await self._closer(error)
        await self._tell(up=True, why=None)
        await self.master.ended()
        return None

    async def _tell(self, *, up: bool, why: TargetError | None) -> None:
        async with self._news:
            self._up, self._why = up, why
            self._rise += up
            self._attempts += up or why is not None
            self._news.notify_all()

    async def _pause(self, seconds: float, error: TargetError) -> None:
        """Wait for a while, or until somebody wants it. Who was refused tries on demand only."""
        refused = isinstance(error, Refused)
        if refused:
            await self._clock.sleep(_BETWEEN_REFUSALS)
        with suppress(TimeoutError):
            async with asyncio.timeout(None if refused else seconds):
                await self._wanted_now.wait()

    async def _renew(self) -> None:
        """Make again what was held before; one that cannot be is left for who asks for it next."""
        for forwarding in tuple(self._held):
            self._held[forwarding] = False
            with suppress(TargetError):
                await self._make(forwarding)

    async def _make(self, forwarding: Forwarding) -> None:
        if said := await self.master.forward(forwarding.rule):
            raise Unreachable(
                f"{self._address}: {forwarding.local} cannot be led to {forwarding.remote} there "
                f"({said.splitlines()[-1]})",
                hint="try again; see whether something else took that port of the bot's machine",
            )
        self._held[forwarding] = True


def _literal(place: str) -> str:
    """A path with nothing in it that means something; a host and port as they are."""
    if not place.startswith("/"):
        return place
    return re.sub(r"([\\:])", r"\\\1", place).replace("%", "%%")


def _again(error: TargetError) -> TargetError:
    """The same, to be raised by somebody else: an exception gathers a traceback each time."""
    return type(error)(error.summary, hint=error.hint)
