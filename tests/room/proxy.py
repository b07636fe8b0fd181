"""A proxy between the bot and its homeserver that can misbehave in the ways networks do."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

Trouble = Callable[[web.Request], web.Response | None]
"""Answers a request in the homeserver's stead; None lets it pass."""

_HOP = {"transfer-encoding", "connection", "content-encoding", "content-length", "host"}


class Proxy:
    """Passes everything on, unless told otherwise."""

    def __init__(self, upstream: str, session: aiohttp.ClientSession) -> None:
        self.url = ""
        self.trouble: Trouble | None = None
        self.cut_after: str | None = None
        """Once: let a request whose path holds this through, and drop its answer."""
        self.hold: Callable[[web.Request], bool] = lambda request: False
        """Which requests are kept waiting until `let_go`."""
        self.held = asyncio.Event()
        """Set once one is."""
        self._going = asyncio.Event()
        self.sent: list[str] = []
        """Paths of everything that was sent to rooms and reached the homeserver."""
        self.said: list[bytes] = []
        """What was in it, and in every file."""
        self.syncs: list[bytes] = []
        """Every answer to a sync, oldest first."""
        self.again: deque[bytes] = deque()
        """What the next syncs are answered with, before the homeserver is asked again."""
        self.echoes = 0
        """How many times more each answer to a sync is given."""
        self._upstream = upstream
        self._session = session
        self._open = asyncio.Event()
        self._open.set()

    @classmethod
    @asynccontextmanager
    async def before(cls, upstream: str) -> AsyncIterator[Proxy]:
        """Stand before a homeserver until the block ends."""
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            proxy = cls(upstream, session)
            app = web.Application(client_max_size=2**24)
            app.router.add_route("*", "/{path:.*}", proxy._pass)
            runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield proxy
            proxy._open.set()
            proxy._going.set()
            await runner.cleanup()

    def stall(self) -> None:
        """Hold every request back until `flow`."""
        self._open.clear()

    def flow(self) -> None:
        """Let requests go again."""
        self._open.set()

    def let_go(self) -> None:
        """Let what is held go on, and hold nothing more."""
        self.hold = lambda request: False
        self._going.set()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        await self._open.wait()
        answer = self.trouble(request) if self.trouble else self._repeated(request)
        if answer is not None:
            return answer
        body = await request.read()
        if self.hold(request):
            self.held.set()
            await self._going.wait()
        headers = {k: v for k, v in request.headers.items() if k.lower() not in _HOP}
        async with self._session.request(
            request.method, f"{self._upstream}{request.raw_path}", data=body, headers=headers
        ) as response:
            content = await response.read()
            if "/send/" in request.path:
                self.sent.append(request.path)
            if "/send/" in request.path or "/upload" in request.path:
                self.said.append(body)
            if _is_sync(request) and response.status == 200:
                self.syncs.append(content)
                self.again.extend([content] * self.echoes)
            kept = {k: v for k, v in response.headers.items() if k.lower() not in _HOP}
        if self.cut_after and self.cut_after in request.path:
            self.cut_after = None
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=response.status, body=content, headers=kept)

    def _repeated(self, request: web.Request) -> web.Response | None:
        if not self.again or not _is_sync(request):
            return None
        return web.Response(body=self.again.popleft(), content_type="application/json")


def _is_sync(request: web.Request) -> bool:
    """Whether the bot reads along with it. A filter by value is of another use: it asks what
    invitations there are."""
    return request.path.endswith("/sync") and not request.query.get("filter", "").startswith("{")


def limited(milliseconds: int) -> web.Response:
    """What a homeserver says to those who talk too fast."""
    return web.json_response(
        {"errcode": "M_LIMIT_EXCEEDED", "error": "Too fast", "retry_after_ms": milliseconds},
        status=429,
    )
