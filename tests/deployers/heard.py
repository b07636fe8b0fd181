"""What a deployer tells of incidents while a test does things to its replicas."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime

from deployers.protocol import Deployer
from domain.incidents import Incident, Kind


@asynccontextmanager
async def heard(deployer: Deployer) -> AsyncIterator[list[Incident]]:
    """What is told from now on, as long as the block."""
    told: list[Incident] = []

    async def listen() -> None:
        async with aclosing(deployer.incidents(datetime.now(UTC))) as found:
            async for each in found:
                told.append(each)  # noqa: PERF401  as it comes

    listening = asyncio.create_task(listen())
    try:
        yield told
    finally:
        listening.cancel()
        await asyncio.wait([listening])
    assert listening.cancelled(), listening.exception()


async def first_of(told: list[Incident], kind: Kind) -> Incident:
    """Wait until one of that kind was told."""
    async with asyncio.timeout(60):
        while (found := next((each for each in told if each.kind is kind), None)) is None:
            await asyncio.sleep(0.02)
    return found
