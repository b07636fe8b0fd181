"""Has the account vouch for the bot's own device, and keeps its room keys safe."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from pydantic import SecretStr

from bot.matrix.answers import RateLimited
from bot.matrix.api import MatrixApi
from bot.matrix.crypto.cross_signing import Identity, ensure_identity
from bot.matrix.crypto.key_backup import KeyBackup
from bot.matrix.crypto.own_device import OwnDevice
from bot.matrix.crypto.recovery_key import RecoveryKey
from bot.matrix.crypto.room_keys import import_into, sessions_of
from domain.clock import Clock
from domain.errors import Refused, Unreachable

log = structlog.get_logger()

BACKUP_EVERY = 30.0
"""Seconds between looks for room keys that are not in the backup yet."""

FIRST_WAIT = 1.0
LONGEST_WAIT = 300.0


class Vouching:
    """Signs the device on each start, then keeps the backup of room keys up to date."""

    def __init__(
        self,
        api: MatrixApi,
        recovery: RecoveryKey | None,
        password: SecretStr | None,
        restored: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._api = api
        self._recovery = recovery
        self._password = password
        self._restored = restored
        self._clock = clock

    async def run(self, ready: asyncio.Event) -> None:
        """From when the device's keys are published on, for ever.

        What the homeserver refuses is logged with its advice, and the bot goes on without.
        Raises LoggedOut.
        """
        await ready.wait()
        if self._recovery is None:
            log.warning(
                "device not signed", hint="set matrix.recovery_key_file; see `gantry check`"
            )
            return
        wait = FIRST_WAIT
        while True:
            try:
                await self._keep(self._recovery)
            except Refused as error:
                log.error("device not signed", why=error.summary, hint=error.hint)
                return
            except RateLimited as error:
                await self._clock.sleep(error.seconds)
            except Unreachable as error:
                log.warning("device not signed yet", why=error.summary, wait=wait)
                await self._clock.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT)

    async def _keep(self, recovery: RecoveryKey) -> None:
        identity = await self._sign(recovery)
        backup = await KeyBackup.open(self._api.request, identity, recovery)
        known = import_into(self._api.client, await backup.restore())
        if known:
            log.info("room keys restored", count=known)
            await self._restored()
        while True:
            saved = await backup.upload(sessions_of(self._api.client))
            if saved:
                log.info("room keys saved", count=saved)
            await self._clock.sleep(BACKUP_EVERY)

    async def _sign(self, recovery: RecoveryKey) -> Identity:
        api = self._api
        device = OwnDevice.of(api.client)
        identity = await ensure_identity(api.request, api.user_id, device, recovery, self._password)
        log.info("device signed", device=device.device_id, master=identity.master)
        return identity
