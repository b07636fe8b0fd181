"""What a hub and its CDN say of a file in the headers of their answers. Pure."""

from __future__ import annotations

import aiohttp

from deployers.models.parts import Remote


def remote_of(first: aiohttp.ClientResponse) -> Remote:
    """The file that the hub's own answer is about."""
    etag = first.headers.get("X-Linked-Etag") or first.headers.get("ETag") or ""
    size = first.headers.get("X-Linked-Size")
    if size is None and first.status == 200:
        size = first.headers.get("Content-Length")
    commit = first.headers.get("X-Repo-Commit")
    return Remote(etag.removeprefix("W/").strip('"'), int(size) if size else None, commit)


def continues(answer: aiohttp.ClientResponse, have: int) -> bool:
    """Whether an answer goes on where so many bytes end."""
    given = answer.headers.get("Content-Range", "")
    return answer.status == 206 and given.startswith(f"bytes {have}-")


def whole_size(answer: aiohttp.ClientResponse) -> int | None:
    """Of the whole file: `Content-Range: bytes 0-1023/4096`."""
    total = answer.headers.get("Content-Range", "").rpartition("/")[2]
    return int(total) if total.isascii() and total.isdigit() else None
