"""The client of the benches: HTTP/1.1 on bare connections, so that it costs little itself."""

from __future__ import annotations

import asyncio
import json
import re
import time
from dataclasses import dataclass
from typing import cast

from bench.gateway.upstream import MODEL, PIECE, PIECES

KEY = "sk-bench-0123456789abcdef"
"""For gateways that insist on one."""

_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
_LENGTH = re.compile(rb"\r\ncontent-length:\s*(\d+)", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection:\s*close", re.IGNORECASE)
_CHUNKED_END = b"0\r\n\r\n"


@dataclass(slots=True)
class Heard:
    """What came of one request."""

    at: float
    """When it was sent, or should have been; seconds of `time.perf_counter`."""
    status: int = 0
    """0 where no answer came."""
    first: float | None = None
    """Seconds until the first content."""
    pieces: int = 0
    seconds: float = 0.0
    """Until the end, good or bad."""
    whole: bool = False
    """Whether the answer came to its end."""

    @property
    def good(self) -> bool:
        """Whether it is what was asked for."""
        return self.whole and self.status == 200 and self.pieces in (0, PIECES)


def request(port: int, *, stream: bool) -> bytes:
    """A chat completion, small as most are."""
    asked = {
        "model": MODEL,
        "messages": [
            {"role": "system", "content": "You are brief."},
            {"role": "user", "content": "Which backend should answer this, and why that one? " * 4},
        ],
        "max_tokens": PIECES,
        **({"stream": True} if stream else {}),
    }
    body = json.dumps(asked).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {KEY}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One, for one request at a time."""

    def __init__(self) -> None:
        self.open = True
        self._over: asyncio.Future[None] | None = None

    async def ask(self, data: bytes, at: float) -> Heard:
        """Send a request; returns once its answer is whole or the connection lost."""
        self._heard, self._tail, self._head = Heard(at), b"", b""
        self._left: int | None = None
        self._over = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        try:
            await self._over
        finally:
            self._over = None
            self._heard.seconds = time.perf_counter() - at
        return self._heard

    def close(self) -> None:
        """Drop it."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep whom to ask."""
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        """Whatever has not come by now is lost."""
        self.open = False
        self._end(whole=False)

    def data_received(self, data: bytes) -> None:
        """The next bytes of the answer."""
        if self._over is None:
            return self.close()
        if not self._heard.status:
            self._head += data
            head, found, data = self._head.partition(b"\r\n\r\n")
            if not found:
                return None
            self._read_head(head)
        self._read_body(data)
        return None

    def _read_head(self, head: bytes) -> None:
        status, length = _STATUS.match(head), _LENGTH.search(head)
        self._heard.status = int(status[1]) if status else 599
        self._left = int(length[1]) if length else None
        self._closes = _CLOSES.search(head) is not None

    def _read_body(self, data: bytes) -> None:
        if self._left is not None:
            self._left -= len(data)
            if self._left <= 0:
                self._end(whole=True)
            return
        text = self._tail + data
        pieces = text.count(PIECE)
        if pieces and self._heard.first is None:
            self._heard.first = time.perf_counter() - self._heard.at
        self._heard.pieces += pieces
        self._tail = text[-(len(PIECE) - 1) :]
        if text.endswith(_CHUNKED_END):
            self._end(whole=True)

    def _end(self, *, whole: bool) -> None:
        if self._over is not None and not self._over.done():
            self._heard.whole = whole
            self._over.set_result(None)
            if whole and self._closes:
                self.close()


class Pool:
    """Connections to one port, kept as clients keep them."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[Connection] = []

    async def ask(self, data: bytes, at: float, patience: float) -> Heard:
        """One request on a free connection, or on a new one. It fails after so many seconds."""
        try:
            async with asyncio.timeout(patience):
                connection = await self._connection()
                try:
                    heard = await connection.ask(data, at)
                except BaseException:
                    connection.close()
                    raise
        except (OSError, TimeoutError):
            return Heard(at, seconds=time.perf_counter() - at)
        if connection.open and heard.whole:
            self._idle.append(connection)
        return heard

    def close(self) -> None:
        """Drop those that are idle."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()

    async def _connection(self) -> Connection:
        while self._idle:
            if (connection := self._idle.pop()).open:
                return connection
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(Connection, "127.0.0.1", self._port)
        return connection
