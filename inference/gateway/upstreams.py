"""The connections to model servers. Each server has its own: one that hangs holds up no other."""

from __future__ import annotations

import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import aiohttp
from yarl import URL

from inference.endpoints import Endpoint

IDLE = 15.0
"""Seconds for which a connection is kept to be used again."""

MAX_ANSWER = 64 * 2**20
"""Bytes of an answer that is not streamed: it is read whole before anything of it is sent on."""

_LONG = 2**20
"""Bytes from which on a body is sent piece by piece, so that others get their turn."""

_OURS = frozenset(
    {
        *("connection", "keep-alive", "proxy-connection", "transfer-encoding", "te", "trailer"),
        *("upgrade", "content-length", "content-encoding", "server", "date", "set-cookie"),
        *("alt-svc", "strict-transport-security"),
    }
)
"""Headers that belong to one connection, or to one host."""


class Upstreams:
    """Opened with the gateway, closed after it."""

    def __init__(self, connect: float) -> None:
        self._kept = _session(force_close=False)
        self._fresh = _session(force_close=True)
        self._timeout = aiohttp.ClientTimeout(total=None, connect=connect)

    def post(
        self, endpoint: Endpoint, path: str, body: bytes, headers: Mapping[str, str], *, fresh: bool
    ) -> Any:
        """A request, to be entered as a context; `fresh` has it use no connection used before.

        Redirects are not followed: they may lead where nobody configured.
        """
        reuse = endpoint.manner.keeps_alive and not fresh
        session = self._kept if reuse else self._fresh
        return session.post(
            _url(endpoint.url, path),
            data=body if len(body) < _LONG else io.BytesIO(body),
            headers=headers,
            timeout=self._timeout,
            allow_redirects=False,
        )

    async def aclose(self) -> None:
        """Close every connection."""
        await self._kept.close()
        await self._fresh.close()


async def read_whole(response: aiohttp.ClientResponse) -> bytes:
    """An answer that is not streamed. Raises ValueError for one that is too long."""
    pieces, size = [], 0
    while received := await response.content.readany():
        pieces.append(received)
        size += len(received)
        if size > MAX_ANSWER:
            raise ValueError(f"an answer of more than {MAX_ANSWER} bytes")
    return b"".join(pieces)


def passed_on(response: aiohttp.ClientResponse) -> dict[str, str]:
    """The headers of an answer that go on to the client."""
    return {
        name: value
        for name, value in response.headers.items()
        if name.lower() not in _OURS and not name.lower().startswith("access-control-")
    }


def _session(*, force_close: bool) -> aiohttp.ClientSession:
    if force_close:
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
    else:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=IDLE)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "gantry"},
    )


@lru_cache(maxsize=1024)
def _url(base: str, path: str) -> URL:
    return URL(base.rstrip("/") + path)
