"""The gateway's door, as the settings have it. Imported by who is asked to open it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.clock import SystemClock
from bot.house import House
from inference.gateway.admission import OpenDoor
from inference.gateway.server import application, listening
from ops_config.gateway import GatewaySettings


@asynccontextmanager
async def door(house: House, said: GatewaySettings) -> AsyncIterator[None]:
    """Answer until the block ends. Raises ConfigError when the address is taken."""
    app = application(house.gateway, OpenDoor(), SystemClock())
    async with listening(app, said.listen or "", said.drain):
        yield
