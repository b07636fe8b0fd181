from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from bot.matrix.outbox import Outbox
from fleet.store.database import Store
from tests.fleet.world import Time, World

from .desk import Desk
from .homeserver import Homeserver
from .voice import Voice

StartOutbox = Callable[[Outbox], asyncio.Task[None]]


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    return World(store, tmp_path)


@pytest.fixture
def clock() -> Time:
    return Time()


@pytest.fixture
def homeserver() -> Homeserver:
    return Homeserver()


@pytest.fixture
async def start() -> AsyncIterator[StartOutbox]:
    """Runs outboxes until the test ends."""
    tasks: list[asyncio.Task[None]] = []

    def begin(outbox: Outbox) -> asyncio.Task[None]:
        tasks.append(asyncio.create_task(outbox.run()))
        return tasks[-1]

    yield begin
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def desk(world: World, homeserver: Homeserver, start: StartOutbox) -> AsyncIterator[Desk]:
    """The bot, answering."""
    made = Desk(world, homeserver, start)
    yield made
    await made.crash()


@pytest.fixture
def voice(homeserver: Homeserver, store: Store, clock: Time) -> Voice:
    return Voice(homeserver, store, clock)
