"""The gateway's door, as the settings have it. Imported by who is asked to open it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.accounting import Accounting
from bot.clock import SystemClock
from inference.gateway.admission import Keyed, OpenDoor
from inference.gateway.opening import Gateway
from inference.gateway.server import application, listening
from ops_config.gateway import GatewaySettings


@asynccontextmanager
async def door(
    gateway: Gateway, accounting: Accounting, said: GatewaySettings
) -> AsyncIterator[None]:
    """Answer until the block ends. Raises ConfigError when the address is taken."""
    admission = OpenDoor() if said.keys == "none" else Keyed(accounting.keyring)
    app = application(gateway, admission, SystemClock(), [accounting.served])
    async with listening(app, said.listen or "", said.drain):
        yield
