"""Requests that can be read in two ways, or that never end: what the HTTP server refuses.

They are written to the socket byte by byte, for no client would send them.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from tests.upstreams import Upstream

POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SHORT = b"Content-Length: 2\r\n\r\nhi"
ENDED = b"2\r\nhi\r\n0\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"

AMBIGUOUS = {
    "two equal lengths": POST + b"Content-Length: 2\r\n" + SHORT,
    "two lengths that differ": POST + b"Content-Length: 99\r\n" + SHORT,
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\nhi",
    "a signed length": POST + b"Content-Length: +2\r\n\r\nhi",
    "a negative length": POST + b"Content-Length: -1\r\n\r\nhi",
    "a hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\nhi",
    "a length with an underscore": POST + b"Content-Length: 2_0\r\n\r\nhi",
    "an empty length": POST + b"Content-Length: \r\n\r\nhi",
    "a length beyond 64 bits": POST + b"Content-Length: 99999999999999999999999\r\n\r\nhi",
    "chunked and a length": POST
    + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n"
    + ENDED,
    "a length and chunked": POST
    + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n"
    + ENDED,
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\n" + CHUNKED[len(POST) :] + ENDED,
    "chunked twice in a list": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + ENDED,
    "chunked, but not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + ENDED,
    "an unknown encoding": POST + b"Transfer-Encoding: xchunked\r\n\r\n" + ENDED,
    "identity and a length": POST + b"Transfer-Encoding: identity\r\n" + SHORT,
    "a control character before chunked": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + ENDED,
    "a space before the colon of chunked": POST + b"Transfer-Encoding : chunked\r\n\r\n" + ENDED,
    "a space before the colon of a length": POST + b"Content-Length : 2\r\n\r\nhi",
    "a folded header": POST + b"X: a\r\n b\r\n" + SHORT,
    "a folded encoding": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + ENDED,
    "a header that begins with a space": POST[:-9] + b" X: 1\r\nHost: x\r\n" + SHORT,
    "a space in a header's name": POST + b"X Y: 1\r\n" + SHORT,
    "a NUL in a header's name": POST + b"X\x00Y: 1\r\n" + SHORT,
    "a NUL in a header": POST + b"X: a\x00b\r\n" + SHORT,
    "a control character in a header": POST + b"X: a\x01b\r\n" + SHORT,
    "a bare CR in a header": POST + b"X: a\rContent-Length: 9\r\n" + SHORT,
    "a header without a colon": POST + b"XY\r\n" + SHORT,
    "a header without a name": POST + b": 1\r\n" + SHORT,
    "lines that end in LF": b"POST /v1/models HTTP/1.1\nHost: x\nContent-Length: 2\n\nhi",
    "headers that end in a bare LF": POST + b"Content-Length: 2\r\n\nhi",
    "a bare LF after a chunk's size": CHUNKED + b"2\nhi\r\n0\r\n\r\n",
    "a bare LF after a chunk": CHUNKED + b"2\r\nhi\n0\r\n\r\n",
    "a bare LF in a chunk's extension": CHUNKED + b"2;a\nb\r\nhi\r\n0\r\n\r\n",
    "a chunk size with 0x": CHUNKED + b"0x2\r\nhi\r\n0\r\n\r\n",
    "a chunk size with a sign": CHUNKED + b"+2\r\nhi\r\n0\r\n\r\n",
    "a negative chunk size": CHUNKED + b"-2\r\nhi\r\n0\r\n\r\n",
    "a chunk size with a space": CHUNKED + b"2 \r\nhi\r\n0\r\n\r\n",
    "a chunk size beyond 64 bits": CHUNKED + b"10000000000000002\r\nhi\r\n0\r\n\r\n",
    "a chunk longer than it says": CHUNKED + b"2\r\nhiX\r\n0\r\n\r\n",
    "a length in the trailer": CHUNKED + b"2\r\nhi\r\n0\r\nContent-Length: 99\r\n\r\n",
    "two hosts": POST + b"Host: y\r\n" + SHORT,
    "no host": b"POST /v1/models HTTP/1.1\r\n" + SHORT,
    "only a host for a target": b"POST x:80 HTTP/1.1\r\nHost: x\r\n" + SHORT,
    "a space in the target": b"POST /v1/a b HTTP/1.1\r\nHost: x\r\n" + SHORT,
    "a method in lower case": b"post /v1/models HTTP/1.1\r\nHost: x\r\n" + SHORT,
    "HTTP/1.2": b"POST /v1/models HTTP/1.2\r\nHost: x\r\n" + SHORT,
    "HTTP/1.10": b"POST /v1/models HTTP/1.10\r\nHost: x\r\n" + SHORT,
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}
TOO_LARGE = {
    "a header": POST + b"X: " + b"a" * 9_000 + b"\r\n" + SHORT,
    "a header's name": POST + b"a" * 9_000 + b": 1\r\n" + SHORT,
    "a target": b"POST /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n" + SHORT,
    "a thousand headers": POST + b"X: 1\r\n" * 1_000 + SHORT,
}
BODY_TOO_LARGE = {
    "by its length": POST + b"Content-Length: 2000\r\n\r\n" + b"x" * 2_000,
    "by its chunks": CHUNKED + (b"64\r\n" + b"x" * 100 + b"\r\n") * 20,
}


@dataclass
class Door:
    """A server that notes what gets through to its handler."""

    came: list[tuple[str, bytes]] = field(default_factory=list)
    port: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        self.came.append((request.path, await request.read()))
        return web.Response(text="ok")

    async def says(self, *parts: bytes) -> tuple[int | None, bytes]:
        """The status, and everything until the server closes; None where it says nothing."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
            told = await reader.read(-1)
        finally:
            writer.transport.abort()
        return (int(told.split(b" ")[1]) if told else None), told


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    opened = Door()
    app = web.Application(client_max_size=1_000)
    app.router.add_route("*", "/{rest:.*}", opened.handle)
    runner = web.AppRunner(app, keepalive_timeout=0.2, lingering_time=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    opened.port = runner.addresses[0][1]
    yield opened
    await runner.cleanup()


@pytest.mark.parametrize("name", AMBIGUOUS)
async def test_what_can_be_read_in_two_ways_is_refused_and_the_connection_closed(door, name):
    status, told = await door.says(AMBIGUOUS[name] + SMUGGLED)
    assert status == 400
    assert told.count(b"\r\nServer: ") == 1
    assert door.came == []


@pytest.mark.parametrize("name", TOO_LARGE)
async def test_a_head_that_is_too_large_is_refused(door, name):
    assert (await door.says(TOO_LARGE[name]))[0] in (400, 431)
    assert door.came == []


@pytest.mark.parametrize("name", BODY_TOO_LARGE)
async def test_a_body_that_is_too_large_is_refused(door, name):
    assert (await door.says(BODY_TOO_LARGE[name]))[0] == 413
    assert door.came == []


@pytest.mark.parametrize("part", [b"", POST, POST[:9]])
async def test_a_head_that_never_ends_ends_the_connection(door, part):
    """`keepalive_timeout` counts from the beginning, and part of a head does not hold it off."""
    assert await door.says(part) == (None, b"")
    assert door.came == []


async def test_a_body_is_no_request(door):
    """What looks like a request inside a body is read as a body."""
    length = b"Content-Length: %d\r\n\r\n" % len(SMUGGLED)
    status, _ = await door.says(POST + length + SMUGGLED)
    assert (status, door.came) == (200, [("/v1/chat/completions", SMUGGLED)])


async def test_an_honest_request_gets_through_in_any_pieces(door):
    """So that the others are refused for what they are."""
    whole = CHUNKED + ENDED
    status, _ = await door.says(*(whole[at : at + 1] for at in range(len(whole))))
    assert (status, door.came) == (200, [("/v1/chat/completions", b"hi")])


# The gateway itself: what the HTTP server lets through, it decides.

JSON = b"Content-Type: application/json\r\n"
ASKED = b'{"model": "tiny", "messages": []}'
LENGTH = b"Content-Length: %d\r\n\r\n" % len(ASKED)
WHOLE = JSON + LENGTH + ASKED
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(ASKED), ASKED)
PATH = b"/v1/chat/completions"

LET_THROUGH = {
    "HTTP/2.0": b"POST %b HTTP/2.0\r\nHost: x\r\n%b" % (PATH, WHOLE),
    "chunked in HTTP/1.0": b"POST %b HTTP/1.0\r\nTransfer-Encoding: chunked\r\n%b\r\n%b"
    % (PATH, JSON, CHUNKS),
    "gzip, chunked": POST + JSON + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + CHUNKS,
    "a packed body": POST + JSON + b"Content-Encoding: gzip\r\n" + LENGTH + ASKED,
    "two slashes": b"POST /%b HTTP/1.1\r\nHost: x\r\n%b" % (PATH, WHOLE),
    "a way up": b"POST /v1/models/..%b HTTP/1.1\r\nHost: x\r\n%b" % (PATH, WHOLE),
    "a way up, hidden": b"POST /v1/%%2e%%2e%b HTTP/1.1\r\nHost: x\r\n%b" % (PATH, WHOLE),
}


@pytest.fixture
async def gate(stage, upstreams) -> tuple[Door, Upstream]:
    upstream = await upstreams()
    stage.admit(upstream)
    return Door(port=int(stage.url.rpartition(":")[2])), upstream


async def first_status(door: Door, said: bytes) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
    writer.write(said)
    line = await reader.readline()
    writer.transport.abort()
    return int(line.split(b" ")[1])


@pytest.mark.parametrize("name", [*AMBIGUOUS, *LET_THROUGH])
async def test_no_backend_sees_what_can_be_read_in_two_ways(gate, name):
    door, upstream = gate
    said = AMBIGUOUS.get(name) or LET_THROUGH[name]
    assert await first_status(door, said) in (400, 404, 405, 415, 431, 501, 505)
    assert upstream.asked == []


async def test_where_a_request_says_it_goes_does_not_matter(gate):
    """Only the path does: a proxy's form of the target, or any host, leads to the same place."""
    door, upstream = gate
    for target, host in ((b"http://169.254.169.254" + PATH, b"x"), (PATH, b"evil@:1")):
        said = b"POST %b HTTP/1.1\r\nHost: %b\r\n%b" % (target, host, WHOLE)
        assert await first_status(door, said) == 200
    assert [asked.header("Host") for asked in upstream.asked] == [upstream.url[7:]] * 2


async def test_a_key_in_a_request_that_cannot_be_read_is_in_no_log(gate, caplog, capsys):
    door, _ = gate
    secret = b"gantry-" + b"s" * 43
    said = POST + b"Authorization : Bearer " + secret + b"\r\n" + SHORT
    assert await first_status(door, said) == 400
    told = caplog.text + "".join(capsys.readouterr())
    assert secret.decode() not in told
