"""Becoming the bot's account: with the device it had, if it had one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import structlog
from pydantic import SecretStr

from bot.matrix.answers import LoggedOut
from bot.matrix.api import Login, MatrixApi
from bot.matrix.crypto.own_device import OwnDevice, store_is_lost
from domain.clock import Clock
from domain.errors import ConfigError, Refused
from fleet.store.database import Store
from fleet.store.positions import Position

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the configuration gives to log in with: one of them."""

    password: SecretStr | None = None
    token: SecretStr | None = None
    refresh: SecretStr | None = None

    @property
    def fixed(self) -> bool:
        """Whether they belong to a device that exists, so that no other can be made."""
        return self.password is None


async def log_in(api: MatrixApi, store: Store, given: Credentials, clock: Clock) -> Position:
    """Log the API in and return how far this account has read.

    A device is kept over restarts: a new login each time would soon be rate limited, and
    transaction ids only protect from saying things twice within one device. Raises LoggedOut
    when nothing works, ConfigError for a token of another account, Unreachable. A device whose
    keys are gone is given up for a new one: nobody could read what it says.
    """
    async with store.transaction() as tx:
        position = await tx.positions.get(api.user_id)
    if not given.fixed and position.device_id and not api.has_keys(position.device_id):
        log.warning("key store lost", device=position.device_id, now="the bot becomes a new device")
        position = replace(position, device_id=None, access_token=None)
    if given.refresh is not None:
        position = await _renewed(api, store, position, given.refresh, clock)
    login = await _login(api, position, given)
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
            if not given.fixed
            else "give the bot a new access token, which makes it a new device",
        )
    kept = None if given.token else login.access_token.get_secret_value()
    position = replace(position, device_id=login.device_id, access_token=kept)
    async with store.transaction() as tx:
        await tx.positions.put(position)
    log.info("logged in", user=login.user_id, device=login.device_id)
    return position


async def _login(api: MatrixApi, position: Position, given: Credentials) -> Login:
    if given.token is not None:
        return await api.whoami(given.token)
    if position.access_token is not None:
        try:
            return await api.whoami(SecretStr(position.access_token))
        except LoggedOut as error:
            log.warning("login no longer valid", why=error.summary)
    if given.password is None:
        raise LoggedOut("there is neither a login that works nor a password for a new one")
    return await api.log_in(given.password, position.device_id)


async def _renewed(
    api: MatrixApi, store: Store, position: Position, given: SecretStr, clock: Clock
) -> Position:
    """A position whose access token works, by the refresh token that was kept or that was given.

    The one in the configuration works once; should somebody put another there, that is tried
    when the kept one fails.
    """
    if position.access_token and (position.access_until or clock.now()) >= clock.now():
        try:
            await api.whoami(SecretStr(position.access_token))
        except LoggedOut as error:
            log.info("access token ran out", why=error.summary)
        else:
            return position
    kept = [SecretStr(position.refresh_token)] if position.refresh_token else []
    for refresh in (*kept, given):
        try:
            got = await api.line.refresh(refresh)
        except (LoggedOut, Refused) as error:
            log.warning("refresh token not taken", why=error.summary)
            continue
        position = replace(
            position,
            access_token=got.access.get_secret_value(),
            refresh_token=(got.refresh or refresh).get_secret_value(),
            access_until=got.renew_at(clock.now()),
        )
        async with store.transaction() as tx:
            await tx.positions.put(position)
        return position
    raise LoggedOut(
        "the homeserver takes neither the refresh token that was kept nor the one that is given",
        hint="log in anew and put its refresh token into the file; see docs/logging-in.md",
    )
