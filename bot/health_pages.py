"""`/healthz`, `/readyz` and `/metrics`. Imported by who is asked to serve them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from bot.health import Pulse, Signs, not_alive, not_ready
from inference.listening import listen

log = structlog.get_logger()

Page = tuple[str, bytes]
"""What kind of page it is (a Content-Type), and what is on it."""


@asynccontextmanager
async def answering(
    pulse: Pulse,
    address: str,
    masked: Callable[[str], str],
    metrics: Callable[[], Awaitable[Page]] | None = None,
) -> AsyncIterator[None]:
    """Answer probes at host:port until the block ends, what is wrong masked. Raises ConfigError
    when that is taken. What is measured is told there, too, if somebody writes a page of it."""
    app = web.Application()
    app.router.add_get("/healthz", _page(pulse, not_alive, masked))
    app.router.add_get("/readyz", _page(pulse, not_ready, masked))
    if metrics is not None:
        app.router.add_get("/metrics", _as_it_is(metrics))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    beat = asyncio.create_task(pulse.beat(), name="pulse")
    try:
        log.info("answering probes", at=await listen(runner, address, "monitoring.health"))
        yield
    finally:
        beat.cancel()
        await runner.cleanup()


def _page(
    pulse: Pulse, judge: Callable[[Signs], list[str]], masked: Callable[[str], str]
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def page(request: web.Request) -> web.Response:
        signs = await pulse.signs()
        wrong = [masked(each) for each in judge(signs)]
        body = {
            "ok": not wrong,
            "wrong": wrong,
            "synced_seconds_ago": round(signs.synced, 1),
            "logged_in": signs.logged_in,
            "caught_up": signs.caught_up,
        }
        return web.json_response(body, status=503 if wrong else 200)

    return page


def _as_it_is(
    write: Callable[[], Awaitable[Page]],
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def page(request: web.Request) -> web.Response:
        kind, body = await write()
        return web.Response(body=body, headers={"Content-Type": kind})

    return page
