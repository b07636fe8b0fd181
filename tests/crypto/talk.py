"""nio clients in an encrypted room."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nio

from bot.demo.homeserver import Homeserver


@asynccontextmanager
async def client_of(
    homeserver: Homeserver,
    user_id: str,
    device_id: str,
    token: str,
    store: Path,
    *,
    publish: bool = True,
) -> AsyncIterator[nio.AsyncClient]:
    """A client with a store of its own, which publishes its keys."""
    store.mkdir(exist_ok=True)
    config = nio.AsyncClientConfig(store=nio.store.SqliteStore, store_sync_tokens=True)
    client = nio.AsyncClient(
        homeserver.url, user_id, device_id, store_path=str(store), config=config
    )
    client.restore_login(user_id, device_id, token)
    try:
        if publish and client.should_upload_keys:
            await client.keys_upload()
        yield client
    finally:
        await client.close()
        if client.store:
            client.store.database.close()


async def pump(*clients: nio.AsyncClient) -> None:
    """Let them hear of each other, keys included."""
    for client in clients * 2:
        await client.sync(timeout=0)
        await client.send_to_device_messages()
        if client.should_upload_keys:
            await client.keys_upload()
        if client.should_query_keys:
            await client.keys_query()
        if client.should_claim_keys:
            await client.keys_claim(client.get_users_for_key_claiming())


async def encrypted_room(owner: nio.AsyncClient, guest: nio.AsyncClient) -> str:
    encryption = nio.EnableEncryptionBuilder().as_dict()
    made = await owner.room_create(invite=[guest.user_id], initial_state=[encryption])
    await guest.join(made.room_id)
    await pump(owner, guest)
    return str(made.room_id)


async def say(client: nio.AsyncClient, room: str, text: str) -> None:
    content = {"msgtype": "m.text", "body": text}
    sent = await client.room_send(room, "m.room.message", content, ignore_unverified_devices=True)
    assert isinstance(sent, nio.RoomSendResponse), sent


async def readable(client: nio.AsyncClient, room: str) -> dict[str, bool]:
    """What a client can read of a room's past, and whether it holds that for verified."""
    page = await client.room_messages(room, limit=100)
    return {e.body: e.verified for e in page.chunk if isinstance(e, nio.RoomMessageText)}
