"""Pictures that a model is shown together with a prompt, and other files in rooms."""

from __future__ import annotations

import base64
from typing import Protocol

from domain.errors import Refused

LARGEST = 5_000_000
"""Bytes of one picture."""

_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)


class Gallery(Protocol):
    """Knows the pictures and files that people put into rooms."""

    async def picture(self, room: str, event_id: str) -> bytes | None:
        """The picture that a message is, in clear; None for a message that is none.

        Raises Refused for one that cannot be read or has more than `LARGEST` bytes, and
        Unreachable or RateLimited where it cannot be had now.
        """
        ...

    async def file(self, room: str, event_id: str, largest: int) -> bytes | None:
        """The file that a message is, in clear; None for a message that is none.

        Raises Refused for one that cannot be read or has more than `largest` bytes, and
        Unreachable or RateLimited where it cannot be had now.
        """
        ...

    async def largest(self) -> int | None:
        """Bytes that a file of ours may have; None where the homeserver does not say."""
        ...


class NoGallery:
    """There are no pictures and no files."""

    async def picture(self, room: str, event_id: str) -> bytes | None:
        """None."""
        return None

    async def file(self, room: str, event_id: str, largest: int) -> bytes | None:
        """None."""
        return None

    async def largest(self) -> int | None:
        """None."""
        return None


def data_url(picture: bytes) -> str:
    """The picture as OpenAI's API takes it (RFC 2397). What it is is told by how it begins, not by
    what anybody says of it. Raises Refused for what models do not read."""
    if len(picture) > LARGEST:
        raise too_large()
    kind = next((kind for begins, kind in _BEGINNINGS if picture.startswith(begins)), None)
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        kind = "image/webp"
    if kind is None:
        raise Refused("models read PNG, JPEG, WebP and GIF; this picture is none of them")
    return f"data:{kind};base64,{base64.b64encode(picture).decode()}"


def too_large(what: str = "picture", largest: int = LARGEST) -> Refused:
    """Say how large a picture, or something else, may be."""
    return Refused(f"the {what} has more than {largest / 1e6:g} MB", hint="send a smaller one")
