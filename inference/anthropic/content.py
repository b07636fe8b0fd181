"""What is said in one message: OpenAI's parts -> Messages' blocks."""

from __future__ import annotations

import binascii
import re
from typing import Any

from inference.anthropic.reading import Value

Block = dict[str, Any]

_DATA_URL = re.compile(r"data:(?P<media>[^;,]*)(?:;[^;,]+)*;base64,", re.IGNORECASE)

_MEDIA = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_ALIASES = {"image/jpg": "image/jpeg"}


def text_of(content: Value) -> str:
    """All text of a message that may hold nothing else, its parts joined."""
    if isinstance(content.found, str):
        return content.text()
    return "".join(_text(part) for part in content.each())


def blocks_of(content: Value) -> list[Block]:
    """A message's content as blocks. Blank text is left out: Messages refuses it."""
    if isinstance(content.found, str):
        return _text_block(content.text())
    return [block for part in content.each() for block in _blocks(part)]


def _blocks(part: Value) -> list[Block]:
    if part.need("type").found == "image_url":
        return [{"type": "image", "source": _source(part.need("image_url"))}]
    return _text_block(_text(part))


def _text(part: Value) -> str:
    kind = part.need("type").text()
    if kind not in ("text", "refusal"):
        raise part.unsayable(f"a part of type {kind!r} cannot be said to Anthropic here")
    return part.need(kind).text()


def _text_block(text: str) -> list[Block]:
    return [{"type": "text", "text": text}] if text.strip() else []


def _source(image: Value) -> Block:
    """Where an image comes from: the request itself, or a URL that Anthropic is to fetch."""
    url = image if isinstance(image.found, str) else image.need("url")
    if url.text().startswith("https://"):
        return {"type": "url", "url": url.text()}
    if not url.text().startswith("data:"):
        raise url.wrong("must be an https: or data: URL")
    return _inline(url)


def _inline(url: Value) -> Block:
    head = _DATA_URL.match(url.text())
    if head is None:
        raise url.wrong("must be a data: URL in base64: `data:image/png;base64,...`")
    media = head["media"].lower()
    media = _ALIASES.get(media, media)
    if media not in _MEDIA:
        raise url.unsayable(
            f"is {media or 'no image'}; Anthropic reads {', '.join(sorted(_MEDIA))}"
        )
    data = url.text()[head.end() :]
    try:
        empty = not binascii.a2b_base64(data, strict_mode=True)
    except ValueError:
        empty = True
    if empty:
        raise url.wrong("does not hold an image in base64")
    return {"type": "base64", "media_type": media, "data": data}
