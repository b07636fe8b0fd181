"""The pictures and files in rooms: finds, downloads and decrypts them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
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
_CONFIG = ("/_matrix/client/v1/media/config", "/_matrix/media/v3/config")
"""Since Matrix 1.11, where media take a login, and before."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is looked for."""

    what: str
    """In a sentence."""
    kind: str
    """Its `msgtype`."""
    largest: int
    """Bytes."""


class Gallery:
    """See `commands.pictures.Gallery`."""

    def __init__(self, api: MatrixApi) -> None:
        self._api = api

    async def picture(self, room: str, event_id: str) -> bytes | None:
        """See `commands.pictures.Gallery`."""
        return await self._content(room, event_id, _Wanted("picture", "m.image", LARGEST))

    async def file(self, room: str, event_id: str, largest: int) -> bytes | None:
        """See `commands.pictures.Gallery`."""
        return await self._content(room, event_id, _Wanted("file", "m.file", largest))

    async def largest(self) -> int | None:
        """See `commands.pictures.Gallery`."""
        for path in _CONFIG:
            answer = await self._api.request("GET", path)
            said = answer.body.get("m.upload.size")
            if answer.status == 200:
                return said if isinstance(said, int) and said > 0 else None
        return None

    async def _content(self, room: str, event_id: str, wanted: _Wanted) -> bytes | None:
        content = mapping((await self._event(room, event_id, wanted)).get("content"))
        if content.get("msgtype") != wanted.kind:
            return None
        file = mapping(content.get("file"))
        where = text_of(file.get("url") or content.get("url")) or ""
        data = await self._download(where, wanted)
        return _decrypted(data, file, wanted.what) if file else data

    async def _event(self, room: str, event_id: str, wanted: _Wanted) -> Event:
        """In clear. In an encrypted room what came in the clear may be anybody's."""
        where = f"{quote(room, safe='')}/event/{quote(event_id, safe='')}"
        answer = await self._api.request("GET", f"/_matrix/client/v3/rooms/{where}")
        if answer.errcode in ("M_NOT_FOUND", "M_FORBIDDEN"):
            return {}
        event = answer.expected()
        if event.get("type") == "m.room.encrypted":
            opened = self._api.keyring.open(room, event)
            if opened is None:
                raise Refused(f"the message with the {wanted.what} cannot be decrypted")
            return opened
        found = mapping(event.get("content")).get("msgtype") == wanted.kind
        if found and await self._api.is_encrypted(room):
            raise Refused(f"the {wanted.what} came unencrypted into an encrypted room")
        return event

    async def _download(self, url: str, wanted: _Wanted) -> bytes:
        found = _MXC.fullmatch(url)
        if found is None:
            raise Refused(f"the message with the {wanted.what} does not say where that is")
        status = 0
        for media in _MEDIA:
            status, data = await self._get(f"{media}/{found[1]}/{found[2]}", wanted)
            if status == 200:
                return data
        if status in (403, 404):
            raise Refused(f"the homeserver does not have the {wanted.what}")
        raise Unreachable(f"the homeserver does not hand the {wanted.what} out: HTTP {status}")

    async def _get(self, path: str, wanted: _Wanted) -> tuple[int, bytes]:
        headers, data = {"Authorization": f"Bearer {self._api.line.token}"}, bytearray()
        try:
            response = await self._api.client.send("GET", path, None, headers)
            async with response:
                async for chunk in response.content.iter_chunked(65_536):
                    data += chunk
                    if len(data) > wanted.largest:
                        response.close()
                        raise too_large(wanted.what, wanted.largest)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"the homeserver does not answer: {error or 'timeout'}") from error
        return response.status, bytes(data)


def _decrypted(data: bytes, file: Mapping[str, Any], what: str) -> bytes:
    """As `EncryptedFile` of the client-server API says."""
    key, digest = mapping(file.get("key")).get("k"), mapping(file.get("hashes")).get("sha256")
    words = (key, digest, file.get("iv"))
    if not all(isinstance(each, str) for each in words):
        raise Refused(f"the message with the {what} lacks its key")
    try:
        return bytes(decrypt_attachment(data, *words))
    except (nio.EncryptionError, ValueError) as error:
        raise Refused(f"the {what} is not what its message says, or damaged") from error
