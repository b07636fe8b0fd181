"""A real llama.cpp to ask, and a server that answers exactly what a test says."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import random
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from bot.clock import SystemClock
from domain.clock import Clock
from domain.replicas import ReplicaId
from inference.asking import Models
from inference.client import Timeouts, open_session
from inference.endpoints import Endpoints
from inference.gateway.opening import Ways, open_gateway

MODEL = Path(__file__).parents[2] / "deployers/models/bundled/tiny-ops.gguf"

IMPATIENT = Timeouts(connect=2.0, first_byte=0.4, idle=0.4)


class Reply:
    """What a scripted server says on one connection."""

    def __init__(self, path: str, asked: Any, writer: asyncio.StreamWriter) -> None:
        self.path = path
        self.asked = asked
        self.left = asyncio.Event()
        """Set when the client closed the connection."""
        self._writer = writer

    def start(self, status: int = 200, kind: str = "text/event-stream") -> Reply:
        return self.raw(
            f"HTTP/1.1 {status} So\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n".encode()
        )

    def raw(self, data: bytes) -> Reply:
        self._writer.write(data)
        return self

    def chunk(self, **chunk: Any) -> Reply:
        return self.raw(f"data: {json.dumps(chunk)}\n\n".encode())

    def words(self, *texts: str) -> Reply:
        for text in texts:
            self.chunk(choices=[{"index": 0, "delta": {"content": text}, "finish_reason": None}])
        return self

    def end(self, usage: dict[str, int] | None = None) -> Reply:
        self.chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}])
        if usage:
            self.chunk(choices=[], usage=usage)
        return self.raw(b"data: [DONE]\n\n")

    def error(self, status: int, message: str = "no", **more: Any) -> Reply:
        body = {"error": {"code": status, "message": message, **more}}
        return self.start(status, "application/json").raw(json.dumps(body).encode())

    async def sent(self) -> None:
        """Wait until the system has taken what was said."""
        await self._writer.drain()

    async def reset(self) -> None:
        """Drop the connection the hard way, once what was said has been sent."""
        await self.sent()
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()


Script = Callable[[Reply], Awaitable[object]]


class Upstream:
    """A server on a free port that follows a script for every connection."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []
        self.replies: list[Reply] = []

    async def open(self) -> Upstream:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def close(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers:  # of a task that was cancelled before it began, too
            writer.transport.abort()
        await self._server.wait_closed()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        self._tasks.add(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lengths = [line[15:] for line in head.split("\r\n") if line.startswith("Content-Length:")]
        body = await reader.readexactly(int(lengths[0])) if lengths else b"null"
        reply = Reply(head.split()[1], json.loads(body), writer)
        self.replies.append(reply)
        watch = asyncio.create_task(_until_closed(reader, reply.left))
        try:
            await self._script(reply)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()
            watch.cancel()


async def _until_closed(reader: asyncio.StreamReader, left: asyncio.Event) -> None:
    with suppress(ConnectionError):
        await reader.read()
    left.set()


class Llama:
    """One llama.cpp server process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.url = process.stdout.readline().strip()
        assert self.url, "the server did not start"
        self._process = process

    def freeze(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)


def _launch(stack: ExitStack, port: int = 0) -> Llama:
    script = Path(__file__).with_name("llama_server.py")
    command = [sys.executable, str(script), str(MODEL), "tiny", str(port)]
    process = stack.enter_context(
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    )
    stack.callback(process.kill)
    return Llama(process)


@pytest.fixture(scope="session")
def engine() -> None:
    """Skips a test that needs llama.cpp where it is missing; fails it in CI."""
    missing = None
    if importlib.util.find_spec("xllamacpp") is None:
        missing = "xllamacpp is not installed; pip install 'gantry[llamacpp]'"
    elif not MODEL.is_file():
        missing = f"{MODEL.name} is not there"
    if missing:
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)


@pytest.fixture
def llama(engine: None) -> Iterator[Callable[..., Llama]]:
    """Starts servers that a test may kill or freeze, on a free port or a given one."""
    with ExitStack() as stack:
        yield partial(_launch, stack)


@pytest.fixture(scope="session")
def tiny(engine: None) -> Iterator[Llama]:
    """One server for all tests that leave it as it is."""
    with ExitStack() as stack:
        yield _launch(stack)


@pytest.fixture
async def upstream() -> AsyncIterator[Callable[[Script], Awaitable[Upstream]]]:
    """Starts servers that follow a script."""
    opened: list[Upstream] = []

    async def start(script: Script) -> Upstream:
        opened.append(await Upstream(script).open())
        return opened[-1]

    yield start
    for server in opened:
        await server.close()


@pytest.fixture
def endpoints() -> Endpoints:
    return Endpoints()


@pytest.fixture
async def asking(endpoints: Endpoints, clock: Clock) -> AsyncIterator[Callable[..., Any]]:
    """Opens whoever asks, with so much patience, and waits for nobody to get ready."""
    async with AsyncExitStack() as stack:

        async def opened(timeouts: Timeouts, rng: random.Random | None = None) -> Models:
            ways = Ways(hold=0.05, timeouts=timeouts)
            gateway = open_gateway(endpoints, ways, clock, rng or random.Random(1))
            relay = (await stack.enter_async_context(gateway)).relay
            return Models(relay, clock, lambda served: None)

        yield opened


@pytest.fixture
def nowhere() -> str:
    """The URL of a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def deaf() -> Iterator[str]:
    """The URL of a port whose queue is full, so that nobody gets a connection."""
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            queued = stack.enter_context(socket.socket())
            queued.setblocking(False)
            queued.connect_ex(server.getsockname())
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
async def session():
    async with open_session() as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return SystemClock()


@pytest.fixture
def impatient() -> Timeouts:
    return IMPATIENT


@pytest.fixture
def replicas() -> list[ReplicaId]:
    return [ReplicaId("tiny", "3fa9c1", ordinal) for ordinal in range(3)]
