"""Gantry's gateway alone, without a room: what `bot` opens, over upstreams on loopback.

python -m bench.gateway.ours PORT URL...
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack

import uvloop

from bench.gateway.upstream import FIRST_BYTE, MODEL
from bot.clock import SystemClock
from bot.memory import settle_memory
from domain.backends import Manner
from domain.replicas import ReplicaId
from inference.client import Timeouts
from inference.endpoints import Endpoints
from inference.gateway.admission import OpenDoor
from inference.gateway.opening import Ways, open_gateway
from inference.gateway.server import application, listening


async def run(port: int, urls: Sequence[str]) -> None:
    """Answer for a service with a replica at each URL, until the process is ended."""
    endpoints, clock = Endpoints(), SystemClock()
    endpoints.expect(MODEL, len(urls))
    for number, url in enumerate(urls):
        replica = ReplicaId(MODEL, "bench", number)
        endpoints.admit(replica, url, capacity=64, manner=Manner(keeps_alive=True))
    async with AsyncExitStack() as stack:
        ways = Ways(timeouts=Timeouts(first_byte=FIRST_BYTE))
        opening = open_gateway(endpoints, ways, clock, random.Random())  # noqa: S311
        gateway = await stack.enter_async_context(opening)
        app = application(gateway, OpenDoor(), clock, lambda served: None)
        await stack.enter_async_context(listening(app, f"127.0.0.1:{port}", 5.0))
        await asyncio.create_task(gateway.probing.run(), name="probing")


if __name__ == "__main__":
    settle_memory()  # as the bot does
    uvloop.run(run(int(sys.argv[1]), sys.argv[2:]))
