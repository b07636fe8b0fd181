"""Asks model servers what they say of themselves. Keeps nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Mapping
from typing import TypeVar

import aiohttp

from inference.engine_metrics import EngineMetrics, read

LIMIT = 2.0
"""Seconds a server gets to tell."""

LONGEST_PAGE = 2 << 20
"""Bytes read of a page."""

K = TypeVar("K", bound=Hashable)


async def scrape(session: aiohttp.ClientSession, url: str) -> EngineMetrics | None:
    """What the server at a base URL, without `/v1`, tells at `/metrics`.

    None from one that does not tell: it has no such page, answers too late, with too much or with
    nothing that is known. Raises nothing: that nobody can be measured is no failure of theirs.
    """
    try:
        async with (
            asyncio.timeout(LIMIT),
            session.get(f"{url.rstrip('/')}/metrics", allow_redirects=False) as response,
        ):
            page = await _page(response)
    except (aiohttp.ClientError, TimeoutError, ValueError, OSError):
        return None
    told = read(page.decode(errors="replace")) if page is not None else EngineMetrics()
    return told if told.tells else None


async def scrape_all(
    session: aiohttp.ClientSession, urls: Mapping[K, str]
) -> dict[K, EngineMetrics]:
    """What each of them tells, all asked at once. Those who do not tell are left out."""
    told = await asyncio.gather(*(scrape(session, url) for url in urls.values()))
    return {key: each for key, each in zip(urls, told, strict=True) if each is not None}


async def _page(response: aiohttp.ClientResponse) -> bytes | None:
    if response.status != 200:
        return None
    page = bytearray()
    async for part in response.content.iter_any():
        page += part
        if len(page) > LONGEST_PAGE:
            return None
    return bytes(page)
