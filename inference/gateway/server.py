"""Listens, and lets what is under way finish when it is time to go."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from aiohttp import web

from domain.clock import Clock
from inference.gateway.admission import Admission
from inference.gateway.asked import PATHS
from inference.gateway.desk import Desk
from inference.gateway.opening import Gateway
from inference.gateway.tally import Listener
from inference.listening import listen

log = structlog.get_logger()

MAX_BODY = 32 * 2**20
"""Bytes of a request: a conversation with a few pictures in it."""

IDLE = 75.0
"""Seconds until a connection is closed on which nothing whole is asked."""

MAX_LINE = 8190
"""Bytes of the request line, and of one header."""


def application(
    gateway: Gateway, admission: Admission, clock: Clock, ended: Listener
) -> web.Application:
    """The pages of the gateway, for whoever asks over HTTP; `ended` is told of each request."""
    desk = Desk(gateway.relay, admission, clock, ended, gateway.affinity)
    app = web.Application(client_max_size=MAX_BODY)
    for path in PATHS:
        app.router.add_post(path, desk.ask)
    app.router.add_get("/v1/models", desk.models)
    app.router.add_get("/v1/models/{name:.+}", desk.models)
    app.router.add_get("/health", _alive)
    return app


@asynccontextmanager
async def listening(app: web.Application, address: str, drain: float) -> AsyncIterator[str]:
    """Answer at host:port until the block ends; yields the address, its port the real one.

    Then take no more connections, and give answers under way `drain` seconds to finish. Raises
    ConfigError when the address is taken.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=drain,
        max_line_size=MAX_LINE,
        max_field_size=MAX_LINE,
        keepalive_timeout=IDLE,
        lingering_time=1.0,
        logger=_quiet(),
    )
    await runner.setup()
    try:
        bound = await listen(runner, address, "gateway.listen", backlog=1024)
        log.info("gateway answers", at=bound)
        yield bound
    finally:
        await runner.cleanup()


def _quiet() -> logging.Logger:
    """What aiohttp says of a request that it cannot read quotes it, and a key may stand there."""
    logger = logging.getLogger("gantry.gateway.server")
    logger.setLevel(logging.CRITICAL + 1)
    return logger


async def _alive(request: web.Request) -> web.Response:
    return web.json_response({"ok": True})
