"""A model server that costs next to nothing: a bare protocol under uvloop.

    python -m bench.gateway.upstream PORT DELAY

It answers after DELAY seconds with a completion, or with a stream of PIECES pieces, GAP apart.
`GET /count` tells how often it was asked for one.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

import uvloop

PIECES = 50
GAP = 0.005
"""Seconds from one piece to the next."""
PIECE = b'"content":"tok'
"""What each piece of content has once, and nothing else has."""
MODEL = "tiny"
FIRST_BYTE = 5.0
"""Seconds for which our gateway waits for a first byte. Others are left at their defaults."""

_USAGE = b'{"prompt_tokens":9,"completion_tokens":50,"total_tokens":59}'
_HEAD = b'{"id":"chatcmpl-1","object":"%b","created":1,"model":"tiny","choices":['
_CHUNK = b"data: " + _HEAD % b"chat.completion.chunk"
_WORDS = b" ".join(b"tok%d" % n for n in range(PIECES))
_WHOLE = (
    _HEAD % b"chat.completion"
    + b'{"index":0,"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}],' % _WORDS
    + b'"usage":%b}' % _USAGE
)
_MODELS = b'{"object":"list","data":[{"id":"tiny","object":"model","created":1,"owned_by":"us"}]}'
_STREAM = re.compile(rb'"stream"\s*:\s*true')
_WANTS_USAGE = re.compile(rb'"include_usage"\s*:\s*true')
_LENGTH = re.compile(rb"content-length:\s*(\d+)", re.IGNORECASE)


def _json(body: bytes) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % len(body) + body


def _chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def _delta(delta: bytes, reason: bytes = b"null") -> bytes:
    return _CHUNK + b'{"index":0,"delta":{%b},"finish_reason":%b}]}\n\n' % (delta, reason)


def _stream(*, usage: bool) -> Iterator[bytes]:
    """What is sent at once, and then every GAP. The first has a piece in it."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    role = _chunked(_delta(b'"role":"assistant","content":""'))
    pieces = [_chunked(_delta(PIECE + b'%d"' % n)) for n in range(PIECES)]
    yield head + role + pieces[0]
    yield from pieces[1:-1]
    end = _chunked(_delta(b"", b'"stop"'))
    told = _chunked(_CHUNK + b'],"usage":%b}\n\n' % _USAGE) if usage else b""
    yield pieces[-1] + end + told + _chunked(b"data: [DONE]\n\n") + b"0\r\n\r\n"


_STREAMS = {usage: tuple(_stream(usage=usage)) for usage in (False, True)}


class Connection(asyncio.Protocol):
    """Reads requests with a Content-Length, one at a time."""

    def __init__(self, delay: float, count: Callable[[int], int]) -> None:
        self._delay = delay
        self._count = count
        self._rest = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep whom to answer."""
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Answer each request that is whole."""
        self._rest += data
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            head = self._rest[:end]
            found = _LENGTH.search(head)
            whole = end + 4 + (int(found[1]) if found else 0)
            if len(self._rest) < whole:
                return
            body, self._rest = self._rest[end + 4 : whole], self._rest[whole:]
            self._count(head.startswith(b"POST"))
            self._later(self._delay, partial(self._answer, head, body))

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"GET /count "):
            self._transport.write(_json(b"%d" % self._count(0)))
        elif head.startswith(b"GET"):
            self._transport.write(_json(_MODELS))
        elif _STREAM.search(body):
            self._send(iter(_STREAMS[_WANTS_USAGE.search(body) is not None]))
        else:
            self._transport.write(_json(_WHOLE))

    def _send(self, parts: Iterator[bytes]) -> None:
        part = next(parts, None)
        if part is not None and not self._transport.is_closing():
            self._transport.write(part)
            asyncio.get_running_loop().call_later(GAP, self._send, parts)

    def _later(self, seconds: float, act: partial[None]) -> None:
        if seconds:
            asyncio.get_running_loop().call_later(seconds, act)
        else:
            act()


async def _serve(port: int, delay: float) -> None:
    loop = asyncio.get_running_loop()
    asked = 0

    def count(more: int) -> int:
        nonlocal asked
        asked += more
        return asked

    server = await loop.create_server(
        lambda: Connection(delay, count), "127.0.0.1", port, backlog=1024
    )
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), float(sys.argv[2])))
