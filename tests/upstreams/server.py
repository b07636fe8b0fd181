"""An upstream that follows a script: OpenAI's API on a free port, down to the byte."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import cast

from tests.upstreams.acts import Act, Answer, Status
from tests.upstreams.asked import Asked, Fate
from tests.upstreams.reading import Request, RequestReader
from tests.upstreams.steps import Close, Hang, Pause, Reset, Send, Step, Wait
from tests.upstreams.wire import compact, head, models

ASKING = "POST"
"""Acts without a path of their own are for these; what probes GET is answered well."""

_CALLS = tuple(
    f"/v1/{call}" for call in ("chat/completions", "completions", "embeddings", "responses")
)
"""What is answered well, too, where nothing else was said."""


class Upstream:
    """Answers as it is told to, keeps every request, and counts what is in flight."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        """The models that `/v1/models` lists. Asking for others works nevertheless."""
        self.asked: list[Asked] = []
        """Every POST, in the order they came."""
        self.probed: list[Asked] = []
        """Every other request."""
        self.connections = 0
        """Taken so far."""
        self.in_flight = 0
        """POSTs begun and not ended: neither answered, nor cut, nor left by the client."""
        self.most_in_flight = 0
        self._next: defaultdict[str, deque[Act]] = defaultdict(deque)
        self._always: dict[str, Act] = {}
        self._resets = 0
        self.running = asyncio.Event()
        """Clear while it is frozen."""
        self.running.set()
        self._open: set[_Connection] = set()
        self._news = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._port = 0

    @classmethod
    @asynccontextmanager
    async def started(cls, *names: str) -> AsyncIterator[Upstream]:
        """Listen until the block ends. It serves `tiny` unless told otherwise."""
        upstream = cls(names or ("tiny",))
        await upstream.accept()
        try:
            yield upstream
        finally:
            await upstream.refuse()

    @property
    def url(self) -> str:
        """Without `/v1`."""
        return f"http://127.0.0.1:{self._port}"

    def will(self, *acts: Act, path: str = ASKING) -> None:
        """Say what it does for the next requests, one act each; afterwards what it always does.

        With a `path` only requests to that one count, of whatever method.
        """
        self._next[path].extend(acts)

    def always(self, act: Act, path: str = ASKING) -> None:
        """Say what it does for every request that `will` says nothing about."""
        self._always[path] = act

    def reset_connections(self, count: int) -> None:
        """Take the next connections only to reset them, before a request is read."""
        self._resets = count

    async def refuse(self) -> None:
        """Stop listening and reset every connection, as a process that was killed."""
        if self._server:
            self._server.close()
            self._server = None
        for connection in tuple(self._open):
            connection.reset()
        await asyncio.gather(*(connection.gone.wait() for connection in tuple(self._open)))

    async def accept(self) -> None:
        """Listen, on the same port as before."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(self), "127.0.0.1", self._port, reuse_address=True
        )
        self._port = self._server.sockets[0].getsockname()[1]

    def freeze(self) -> None:
        """Go on taking connections and requests, and answer nothing: a process that got SIGSTOP."""
        self.running.clear()

    def thaw(self) -> None:
        """Answer everything that came meanwhile, and whatever comes."""
        self.running.set()

    @property
    def open_connections(self) -> int:
        """How many clients hold at the moment."""
        return len(self._open)

    async def request(self, number: int = 0) -> Asked:
        """Wait for a POST; they count from 0."""
        while len(self.asked) <= number:
            self._news.clear()
            await self._news.wait()
        return self.asked[number]

    async def idle(self) -> None:
        """Wait until nothing is in flight."""
        while self.in_flight:
            self._news.clear()
            await self._news.wait()

    def act(self, asked: Asked) -> Act | None:
        """What to do for a request; None for what the API does not have."""
        keys = (asked.path, *([ASKING] if asked.method == "POST" else []))
        for key in keys:
            if self._next[key]:
                return self._next[key].popleft()
        return next((self._always[key] for key in keys if key in self._always), None)

    def begin(self, asked: Asked) -> None:
        """Note a request that came."""
        if asked.method == "POST":
            self.asked.append(asked)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
        else:
            self.probed.append(asked)
        self._news.set()

    def end(self, asked: Asked, fate: Fate) -> None:
        """Note what became of it, if that is not clear already."""
        if asked.fate is None:
            asked.end(fate, asyncio.get_running_loop().time())
            self.in_flight -= asked.method == "POST"
            self._news.set()

    def arrive(self, connection: _Connection) -> int | None:
        """Its number; None for one that shall be reset."""
        self._open.add(connection)
        self.connections += 1
        if self._resets:
            self._resets -= 1
            return None
        return self.connections - 1

    def leave(self, connection: _Connection) -> None:
        """Forget one that is gone."""
        self._open.discard(connection)


class _Connection(asyncio.Protocol):
    def __init__(self, upstream: Upstream) -> None:
        self.gone = asyncio.Event()
        self._upstream = upstream
        self._reader = RequestReader()
        self._waiting: deque[Request] = deque()
        self._now: Asked | None = None
        self._task: asyncio.Task[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        number = self._upstream.arrive(self)
        if number is None:
            self.reset()
        self._number = number or 0

    def data_received(self, data: bytes) -> None:
        try:
            self._waiting.extend(self._reader.feed(data))
        except ValueError:
            self._transport.write(head(400, ("Content-Length", "0"), ("Connection", "close")))
            self._transport.close()
        if self._task is None and self._waiting:
            self._task = asyncio.create_task(self._serve(), name="a scripted upstream")

    def eof_received(self) -> None:
        self._left()

    def connection_lost(self, error: Exception | None) -> None:
        self._left()
        self._upstream.leave(self)
        self.gone.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def reset(self) -> None:
        """Drop it, with an RST."""
        if self._now:
            self._upstream.end(self._now, Fate.CUT)
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def _left(self) -> None:
        if self._now:
            self._upstream.end(self._now, Fate.LEFT)
        if self._task:
            self._task.cancel()

    async def _serve(self) -> None:
        while self._waiting and not self._transport.is_closing():
            request = self._waiting.popleft()
            at = asyncio.get_running_loop().time()
            self._now = Asked(
                request.method, request.target, request.headers, request.body, self._number, at
            )
            self._upstream.begin(self._now)
            for step in _steps(self._upstream, self._now):
                await self._upstream.running.wait()
                await self._carry_out(step, self._now)
            self._upstream.end(self._now, Fate.ANSWERED)
            if (self._now.header("Connection") or "").lower() == "close":
                self._transport.close()
        self._now = self._task = None

    async def _carry_out(self, step: Step, asked: Asked) -> None:
        match step:
            case Send(data, one_by_one):
                for part in (data[n : n + 1] for n in range(len(data))) if one_by_one else (data,):
                    await self._writable.wait()
                    self._transport.write(part)
                    asked.sent += len(part)
                    await asyncio.sleep(0)
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Pause():
                await asked.pause()
            case Hang():
                await self.gone.wait()
            case Reset():
                self.reset()
            case Close(whole):
                self._upstream.end(asked, Fate.ANSWERED if whole else Fate.CUT)
                self._transport.close()


def _steps(upstream: Upstream, asked: Asked):
    """What the script has for a request; without one, what a healthy server says."""
    act = upstream.act(asked)
    if act is None and asked.method == "POST" and asked.path in _CALLS:
        act = Answer()
    if act is None and asked.path in ("/v1/models", "/health", "/v1/health"):
        told = {"status": "ok"} if "health" in asked.path else models(upstream.names)
        body = compact(told).encode()
        kind = ("Content-Type", "application/json")
        return [Send(head(200, kind, ("Content-Length", str(len(body)))) + body)]
    return (act or Status(404, "there is no such thing here")).steps(asked)
