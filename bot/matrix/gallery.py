"""The pictures in rooms: finds, downloads and decrypts them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp
import nio
from nio.crypto.attachments import decrypt_attachment

from bot.matrix.api import MatrixApi
from bot.matrix.crypto.encoding import mapping
from bot.matrix.inbound import Event, text_of
from commands.pictures import LARGEST, too_large
from domain.errors import Refused, Unreachable

_MXC = re.compile(r"mxc://([A-Za-z0-9.:\[\]-]+)/([A-Za-z0-9_-]+)")
_MEDIA = ("/_matrix/client/v1/media/download", "/_matrix/media/v3/download")
"""Since Matrix 1.11, where media take a login, and before."""


class Gallery:
    """See `commands.pictures.Gallery`."""

    def __init__(self, api: MatrixApi) -> None:
        self._api = api

    async def picture(self, room: str, event_id: str) -> bytes | None:
        """See `commands.pictures.Gallery`."""
        content = mapping((await self._event(room, event_id)).get("content"))
        if content.get("msgtype") != "m.image":
            return None
        file = mapping(content.get("file"))
        data = await self._download(text_of(file.get("url") or content.get("url")) or "")
        return _decrypted(data, file) if file else data

    async def _event(self, room: str, event_id: str) -> Event:
        """In clear. In an encrypted room what came in the clear may be anybody's."""
        where = f"{quote(room, safe='')}/event/{quote(event_id, safe='')}"
        answer = await self._api.request("GET", f"/_matrix/client/v3/rooms/{where}")
        if answer.errcode in ("M_NOT_FOUND", "M_FORBIDDEN"):
            return {}
        event = answer.expected()
        if event.get("type") == "m.room.encrypted":
            opened = self._api.keyring.open(room, event)
            if opened is None:
                raise Refused("the message with the picture cannot be decrypted")
            return opened
        pictured = mapping(event.get("content")).get("msgtype") == "m.image"
        if pictured and await self._api.is_encrypted(room):
            raise Refused("the picture came unencrypted into an encrypted room")
        return event

    async def _download(self, url: str) -> bytes:
        found = _MXC.fullmatch(url)
        if found is None:
            raise Refused("the message with the picture does not say where that is")
        status = 0
        for media in _MEDIA:
            status, data = await self._get(f"{media}/{found[1]}/{found[2]}")
            if status == 200:
                return data
        if status in (403, 404):
            raise Refused("the homeserver does not have the picture")
        raise Unreachable(f"the homeserver does not hand the picture out: HTTP {status}")

    async def _get(self, path: str) -> tuple[int, bytes]:
        headers, data = {"Authorization": f"Bearer {self._api.line.token}"}, bytearray()
        try:
            response = await self._api.client.send("GET", path, None, headers)
            async with response:
                async for chunk in response.content.iter_chunked(65_536):
                    data += chunk
                    if len(data) > LARGEST:
                        response.close()
                        raise too_large()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"the homeserver does not answer: {error or 'timeout'}") from error
        return response.status, bytes(data)


def _decrypted(data: bytes, file: Mapping[str, Any]) -> bytes:
    """As `EncryptedFile` of the client-server API says."""
    key, digest = mapping(file.get("key")).get("k"), mapping(file.get("hashes")).get("sha256")
    words = (key, digest, file.get("iv"))
    if not all(isinstance(each, str) for each in words):
        raise Refused("the message with the picture lacks its key")
    try:
        return bytes(decrypt_attachment(data, *words))
    except (nio.EncryptionError, ValueError) as error:
        raise Refused("the picture is not what its message says, or damaged") from error
