"""The gateway's door, as the settings have it. Imported by who is asked to open it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bot.clock import SystemClock
from inference.gateway.admission import Keyed, OpenDoor
from inference.gateway.opening import Gateway
from inference.gateway.server import application, listening
from inference.gateway.tally import Listener
from inference.keyring import Keyring
from ops_config.gateway import GatewaySettings


@asynccontextmanager
async def door(
    gateway: Gateway, keyring: Keyring, ended: Listener, said: GatewaySettings
) -> AsyncIterator[None]:
    """Answer until the block ends; `ended` hears of every request.

    Raises ConfigError when the address is taken.
    """
    admission = OpenDoor() if said.keys == "none" else Keyed(keyring)
    app = application(gateway, admission, SystemClock(), ended)
    async with listening(app, said.listen or "", said.drain):
        yield
