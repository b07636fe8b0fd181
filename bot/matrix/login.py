"""Becoming the bot's account: with the device it had, if it had one."""

from __future__ import annotations

from dataclasses import replace

import structlog
from pydantic import SecretStr

from bot.matrix.api import LoggedOut, Login, MatrixApi
from bot.matrix.own_device import OwnDevice, store_is_lost
from domain.errors import ConfigError, Refused
from fleet.store.database import Store
from fleet.store.positions import Position

log = structlog.get_logger()


async def log_in(
    api: MatrixApi, store: Store, password: SecretStr | None, token: SecretStr | None
) -> Position:
    """Log the API in and return how far this account has read.

    A device is kept over restarts: a new login each time would soon be rate limited, and
    transaction ids only protect from saying things twice within one device. Raises LoggedOut
    when nothing works, ConfigError for a token of another account, Unreachable. A device whose
    keys are gone is given up for a new one: nobody could read what it says.
    """
    async with store.transaction() as tx:
        position = await tx.positions.get(api.user_id)
    if token is None and position.device_id and not api.has_keys(position.device_id):
        log.warning("key store lost", device=position.device_id, now="the bot becomes a new device")
        position = replace(position, device_id=None, access_token=None)
    login = await _login(api, position, password, token)
    if login.user_id != api.user_id:
        raise ConfigError(
            f"the access token belongs to {login.user_id}, not to {api.user_id}",
            hint="correct matrix.user_id or matrix.access_token_file",
        )
    api.restore(login)
    if await store_is_lost(api.request, api.user_id, OwnDevice.of(api.client)):
        async with store.transaction() as tx:
            await tx.positions.put(Position(api.user_id, token=position.token))
        raise Refused(
            f"the key store is not the one of device {login.device_id}: nobody could read what "
            "the bot says with it",
            hint="start again, and the bot becomes a new device"
            if token is None
            else "give the bot a new access token, which makes it a new device",
        )
    kept = None if token else login.access_token.get_secret_value()
    position = replace(position, device_id=login.device_id, access_token=kept)
    async with store.transaction() as tx:
        await tx.positions.put(position)
    log.info("logged in", user=login.user_id, device=login.device_id)
    return position


async def _login(
    api: MatrixApi, position: Position, password: SecretStr | None, token: SecretStr | None
) -> Login:
    if token is not None:
        return await api.whoami(token)
    if position.access_token is not None:
        try:
            return await api.whoami(SecretStr(position.access_token))
        except LoggedOut as error:
            log.warning("login no longer valid", why=error.summary)
    if password is None:
        raise LoggedOut("there is neither a login that works nor a password for a new one")
    return await api.log_in(password, position.device_id)
