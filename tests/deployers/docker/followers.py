"""Many who follow one log."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from deployers.protocol import Deployer
from domain.replicas import ReplicaId


@asynccontextmanager
async def followed_by(
    count: int, deployer: Deployer, replica: ReplicaId
) -> AsyncIterator[list[asyncio.Task[None]]]:
    """So many, who have each read a line before the block begins and read on until it ends."""
    reading = asyncio.Semaphore(0)

    async def follow() -> None:
        async with aclosing(deployer.logs(replica, tail=1, follow=True)) as lines:
            async for _ in lines:
                reading.release()

    followers = [asyncio.create_task(follow()) for _ in range(count)]
    try:
        for _ in followers:
            await reading.acquire()
        yield followers
    finally:
        for each in followers:
            each.cancel()
        await asyncio.wait(followers)
