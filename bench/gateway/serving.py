"""How an aiohttp application is served here, ours and the bare one alike."""

from __future__ import annotations

import asyncio

from aiohttp import web


async def serve(app: web.Application, port: int) -> None:
    """Answer on loopback, without an access log, until the process is ended."""
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()
