"""A matrix-nio client as it comes: end-to-end encryption, and no cross-signing."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nio
from nio.crypto.attachments import decrypt_attachment

from bot.demo.homeserver import Account


class NioClient:
    """One client that reads along while somebody waits for something."""

    def __init__(self, client: nio.AsyncClient) -> None:
        self.user_id = client.user_id
        self.device_id = client.device_id
        self._client = client
        self._seen: list[nio.Event] = []

    @classmethod
    @asynccontextmanager
    async def arrive(cls, url: str, account: Account, store: Path) -> AsyncIterator[NioClient]:
        """Log in for as long as the block lasts, device keys uploaded."""
        config = nio.AsyncClientConfig(encryption_enabled=True, max_timeouts=2)
        client = nio.AsyncClient(
            url, account.user_id, account.device_id, store_path=str(store), config=config
        )
        client.restore_login(account.user_id, account.device_id, account.access_token)
        try:
            made = cls(client)
            await made.read()
            yield made
        finally:
            await client.close()

    async def read(self) -> None:
        """Read what is new, and do what that asks for: keys to upload, to query, to claim."""
        answer = _good(await self._client.sync(timeout=200))
        for room in answer.rooms.join.values():
            self._seen += room.timeline.events
        await self._client.send_to_device_messages()
        if self._client.should_upload_keys:
            _good(await self._client.keys_upload())
        if self._client.should_query_keys:
            _good(await self._client.keys_query())
        if self._client.should_claim_keys:
            users = self._client.get_users_for_key_claiming()
            _good(await self._client.keys_claim(users))

    async def join(self, room: str) -> None:
        """Enter, and learn who is there."""
        _good(await self._client.join(room))
        async with asyncio.timeout(20):
            while room not in self._client.rooms:
                await self.read()
        _good(await self._client.joined_members(room))

    async def sees(self, event_id: str) -> nio.Event:
        """Wait for an event, readable or not."""
        async with asyncio.timeout(20):
            while True:
                for event in self._seen:
                    if event.event_id == event_id:
                        return event
                await self.read()

    async def send(self, room: str, content: dict[str, Any], kind: str = "m.room.message") -> str:
        """Send an event, encrypted where that is usual. Returns its id."""
        answer = await self._client.room_send(room, kind, content, ignore_unverified_devices=True)
        return str(_good(answer).event_id)

    async def says(self, room: str, text: str, **more: Any) -> str:
        """Send a text, with more content beside it."""
        return await self.send(room, {"msgtype": "m.text", "body": text, **more})

    async def send_image(self, room: str, png: bytes) -> str:
        """Send an encrypted picture."""
        answer, keys = await self._client.upload(
            io.BytesIO(png), "image/png", encrypt=True, filesize=len(png)
        )
        file = {**keys, "url": _good(answer).content_uri}
        content = {"msgtype": "m.image", "body": "image.png", "file": file}
        return await self.send(room, content)

    async def image(self, event: nio.Event) -> bytes:
        """Download and decrypt a picture that somebody sent."""
        assert isinstance(event, nio.RoomEncryptedImage), event
        locked = _good(await self._client.download(event.url)).body
        return bytes(decrypt_attachment(locked, event.key["k"], event.hashes["sha256"], event.iv))


def _good(answer: Any) -> Any:
    assert not isinstance(answer, nio.ErrorResponse), answer
    return answer
