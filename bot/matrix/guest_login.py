"""A guest's login: a device with its keys, and from where on it listens."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import nio

from bot.matrix.crypto.keyring import KeyStore
from bot.matrix.crypto.own_device import OwnDevice
from bot.matrix.crypto.published_keys import published
from bot.matrix.guest_answers import asked
from domain.errors import Refused


class StoreLost(Refused):
    """The device's keys are gone: nobody could read what it says, nor it what others say."""


@asynccontextmanager
async def logged_in(
    homeserver: str, user_id: str, device_id: str, access_token: str, keys: KeyStore
) -> AsyncIterator[tuple[nio.AsyncClient, str]]:
    """A client with its key store open, and the sync token of now, until the block ends.

    Raises StoreLost, and logs the device out for good, when its keys are not those it had.
    """
    keys.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    config = nio.AsyncClientConfig(
        store=nio.store.SqliteStore,
        pickle_key=keys.passphrase.get_secret_value(),
        store_sync_tokens=False,
        max_timeouts=2,
        request_timeout=30,
    )
    client = nio.AsyncClient(
        homeserver, user_id, device_id, store_path=str(keys.folder), config=config
    )
    try:
        client.restore_login(user_id, device_id, access_token)
        now = await asked(client.sync(timeout=0, sync_filter=_only_now()))
        await _must_be_ours(client)
        yield client, now.next_batch
    finally:
        await client.close()
        if client.store:
            client.store.database.close()


async def _must_be_ours(client: nio.AsyncClient) -> None:
    """Ask before any keys are published: afterwards nobody could tell."""
    client.olm.add_changed_users({client.user_id})
    answer = await asked(client.keys_query())
    device = OwnDevice.of(client)
    known = published(client.user_id, {"device_keys": answer.device_keys})
    ours = device.ed25519 if client.olm.account.shared else None
    if known.device_key(device.device_id) not in (ours, device.ed25519):
        await asked(client.logout())
        raise StoreLost(f"the keys of {client.user_id}'s device {device.device_id} are lost")


def _only_now() -> dict[str, Any]:
    """A filter for learning where a room is at, and no more.

    Never the same twice: Synapse keeps its answer to a first sync for two minutes and gives it
    again to whoever asks for exactly the same, so that a second arrival would hear old news.
    """
    nothing = {"limit": 1, "types": [], "not_senders": [f"@{secrets.token_hex(8)}:nobody"]}
    quiet: dict[str, list[str]] = {"types": []}
    return {
        "presence": quiet,
        "account_data": quiet,
        "room": {
            "timeline": nothing,
            "state": {"types": ["m.room.encryption", "m.room.member"]},
            "ephemeral": quiet,
            "account_data": quiet,
        },
    }
