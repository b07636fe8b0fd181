"""The peer: a bare matrix-nio bot that answers `pong` from its callback and does nothing else.

It keeps no record of what it did, and it asks for 200 events a sync so that, unlike a bot with
nio's defaults, it loses nothing while 20 commands are in flight. Its answers say that they mention
nobody, as Gantry's and current clients' do: Synapse takes 2 ms to check that. Given a folder for
keys it encrypts in encrypted rooms.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import nio

_FILTER = {"room": {"timeline": {"limit": 200}}}


async def answer_pings(login: dict[str, str]) -> None:
    """Join the room and answer, until killed."""
    store = login["store"]
    config = nio.AsyncClientConfig(encryption_enabled=bool(store), store_sync_tokens=False)
    client = nio.AsyncClient(login["homeserver"], login["user_id"], store_path=store, config=config)
    client.restore_login(login["user_id"], login["device_id"], login["access_token"])
    await client.join(login["room"])
    await client.sync(timeout=0, sync_filter=_FILTER, full_state=True)

    async def pong(room: nio.MatrixRoom, event: nio.RoomMessageText) -> None:
        if event.sender != client.user_id and event.body == "!ping":
            content = {
                "msgtype": "m.notice",
                "body": "pong",
                "m.mentions": {},
                "m.relates_to": {"m.in_reply_to": {"event_id": event.event_id}},
            }
            await client.room_send(
                room.room_id, "m.room.message", content, ignore_unverified_devices=True
            )

    client.add_event_callback(pong, nio.RoomMessageText)
    sys.stdout.write(json.dumps({"event": "ready"}) + "\n")
    sys.stdout.flush()
    await client.sync_forever(timeout=30_000, sync_filter=_FILTER)


if __name__ == "__main__":
    asyncio.run(answer_pings(json.loads(Path(sys.argv[1]).read_text())))
