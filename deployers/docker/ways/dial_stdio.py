"""An engine behind SSH where no socket can be forwarded: `docker system dial-stdio` for each call.

So it is with Windows hosts, whose engine listens on a named pipe, and with an sshd that forbids
forwarding. The command comes with the Docker CLI 18.09 and newer, which uses it for the same.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from deployers.docker.ways import openssh
from deployers.docker.ways.master import Master
from deployers.docker.ways.sessions import session
from domain.errors import TargetError

_SESSIONS = 8
"""To a connection; sshd allows 10 (MaxSessions) unless it is told otherwise."""
_CONNECTIONS = 8
_REFUSED = b"refused by peer"


@dataclass(slots=True)
class Line:
    """A connection, and how many sessions go over it."""

    master: Master
    used: int = 0
    room: int = _SESSIONS

    @property
    def free(self) -> bool:
        """True while one more session may be tried."""
        return self.master.alive and self.used < self.room


class Lines:
    """As many connections as the sessions need, the first of them somebody else's."""

    def __init__(
        self, first: Master, ready: Callable[[], Awaitable[object]], more: Callable[[], Master]
    ) -> None:
        self._first, self._ready, self._more = Line(first), ready, more
        self._extra: list[Line] = []
        self._places = asyncio.Semaphore(_SESSIONS * _CONNECTIONS)
        self._choosing = asyncio.Lock()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Line]:
        """A line with room for a session; waits while all are taken. Raises as connecting does."""
        async with self._places:
            async with self._choosing:
                line = await self._choose()
                line.used += 1
            try:
                yield line
            finally:
                line.used -= 1
                await self._thin_out()

    async def aclose(self) -> None:
        """Take down what was made here."""
        extra, self._extra = self._extra, []
        for line in extra:
            await line.master.stop()

    async def _choose(self) -> Line:
        await self._ready()
        for line in (self._first, *self._extra):
            if line.free:
                return line
        line = Line(self._more())
        await line.master.start()
        self._extra.append(line)
        return line

    async def _thin_out(self) -> None:
        """Few sessions need one connection only. One that died is forgotten."""
        few = self._first.used < _SESSIONS // 2
        for line in [x for x in self._extra if x.used == 0 and (few or not x.master.alive)]:
            self._extra.remove(line)
            await line.master.stop()


class DialStdio:
    """A socket here; whoever connects to it speaks with the engine there."""

    def __init__(self, path: Path, command: str, lines: Lines) -> None:
        self.path = path
        self._command, self._lines = command, lines
        self._accepting: asyncio.Task[None] | None = None
        self._carried: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen, if that is not so already."""
        if self._accepting is not None and not self._accepting.done():
            return
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.setblocking(False)
        listener.bind(str(self.path))
        listener.listen(128)
        self._accepting = asyncio.create_task(self._accept(listener), name=f"dial {self.path}")

    async def aclose(self) -> None:
        """Listen no more, and end what is being said."""
        tasks = {task for task in (self._accepting, *self._carried) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._lines.aclose()
        self.path.unlink(missing_ok=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                connection, _ = await loop.sock_accept(listener)
                task = asyncio.create_task(self._carry(connection), name=f"session {self.path}")
                self._carried.add(task)
                task.add_done_callback(self._carried.discard)

    async def _carry(self, connection: socket.socket) -> None:
        """Whoever connected sees the end of it when it cannot be; the connection is asked why."""
        with connection, suppress(TargetError, OSError):
            while await self._refused(connection):
                pass

    async def _refused(self, connection: socket.socket) -> bool:
        """Carry it over one line to its end. True if there was no room, and no byte was taken."""
        async with self._lines.one() as line:
            # `ssh` takes the connection itself, which both ends may close by halves: no byte of it
            # comes through here.
            command = openssh.session(line.master.control, self._command)
            async with session(command, over=connection.fileno()) as (process, said):
                refused = _REFUSED in await said.read()
                await process.wait()
            if refused and line.used > 1:
                line.room = line.used - 1
                return True
            return False
