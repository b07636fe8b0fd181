"""One device of an account: just enough of a client to have keys of its own."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import vodozemac
from pydantic import SecretStr
from yarl import URL

from bot.demo.homeserver import Account, Homeserver
from bot.matrix.answers import Answer
from bot.matrix.crypto.asking import CLIENT, Request, account_data, ask, look_for
from bot.matrix.crypto.encoding import canonical_json
from bot.matrix.crypto.own_device import OwnDevice
from bot.matrix.crypto.published_keys import Published, look_up
from bot.matrix.crypto.signatures import with_signature

_names = itertools.count()


@dataclass(frozen=True)
class Party:
    """A device that has published its keys, and the way to speak as it."""

    request: Request
    account: Account
    device: OwnDevice

    @property
    def user_id(self) -> str:
        return self.account.user_id

    @property
    def password(self) -> SecretStr:
        return SecretStr(self.account.password)

    async def published(self) -> Published:
        return await look_up(self.request, self.user_id)

    async def account_data(self, kind: str) -> Mapping[str, Any] | None:
        return await look_for(self.request, account_data(self.user_id, kind))

    async def put_account_data(self, kind: str, content: Mapping[str, Any]) -> None:
        await ask(self.request, "PUT", account_data(self.user_id, kind), content)

    async def everything(self) -> tuple[object, ...]:
        """All that a refusal must leave as it was."""
        kinds = [f"m.cross_signing.{u}" for u in ("master", "self_signing", "user_signing")]
        kinds += ["m.secret_storage.default_key", "m.megolm_backup.v1"]
        keys = await self.published()
        return (keys.identity, keys.devices, *[await self.account_data(kind) for kind in kinds])


@asynccontextmanager
async def arrived(homeserver: Homeserver, *, keys: bool = True) -> AsyncIterator[Party]:
    """A new account with one device."""
    account = await homeserver.register(f"crypto{next(_names)}")
    async with _as(homeserver, account, account.device_id, account.access_token, keys) as party:
        yield party


@asynccontextmanager
async def another_device(homeserver: Homeserver, party: Party) -> AsyncIterator[Party]:
    """The same account, logged in anew and with a new store."""
    device_id, token = await logged_in(party.request, party.account)
    async with _as(homeserver, party.account, device_id, token, True) as other:
        yield other


async def logged_in(request: Request, account: Account) -> tuple[str, str]:
    """A new device of an account, and its token."""
    who = {"type": "m.id.user", "user": account.user_id}
    body = {"type": "m.login.password", "identifier": who, "password": account.password}
    answer = await ask(request, "POST", "/login", body)
    return str(answer["device_id"]), str(answer["access_token"])


@asynccontextmanager
async def line_to(homeserver: Homeserver, token: str) -> AsyncIterator[Request]:
    """A way to ask the homeserver for anything with a token."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def request(method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
            url = URL(homeserver.url + path, encoded=True)
            async with session.request(method, url, json=body) as response:
                return Answer(response.status, await response.json())

        yield request


class Crashed(Exception):
    """The process ended here."""


class CrashAfter:
    """Speaks with the homeserver until so many changes are made there.

    Questions don't count: a crash after one is the same as a crash after the change before it,
    and a crash before a change is one after the change before that.
    """

    def __init__(self, request: Request, changes: int) -> None:
        self._request = request
        self._left = changes

    async def __call__(self, method: str, path: str, body: Mapping[str, Any] | None) -> Answer:
        asks = method == "GET" or path == f"{CLIENT}/keys/query"
        if not asks and self._left == 0:
            raise Crashed
        self._left -= not asks
        return await self._request(method, path, body)


@asynccontextmanager
async def _as(
    homeserver: Homeserver, account: Account, device_id: str, token: str, keys: bool
) -> AsyncIterator[Party]:
    olm = vodozemac.Account()
    device = OwnDevice(
        device_id, olm.ed25519_key.to_base64(), lambda text: olm.sign(text.encode()).to_base64()
    )
    async with line_to(homeserver, token) as request:
        if keys:
            shown = device_object(account.user_id, device, olm.curve25519_key.to_base64())
            await ask(request, "POST", "/keys/upload", {"device_keys": shown})
        yield Party(request, account, device)


def device_object(user_id: str, device: OwnDevice, curve25519: str) -> dict[str, Any]:
    """A device's keys as it publishes them."""
    name = device.device_id
    bare = {
        "user_id": user_id,
        "device_id": name,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {f"ed25519:{name}": device.ed25519, f"curve25519:{name}": curve25519},
    }
    return with_signature(bare, user_id, name, device.sign(canonical_json(bare).decode()))
