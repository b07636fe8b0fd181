"""The processes of one bench: upstreams, gateways, and the one that asks."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from bench.gateway.candidates import Candidate
from bench.gateway.load import Order
from bench.gateway.upstream import MODEL
from bench.gateway.wire import KEY
from bot.demo.children import Child, Children
from domain.errors import OpsError

_LOOK_EVERY = 0.1


class Upstream:
    """A process that can be killed, frozen, and started again on its port."""

    def __init__(self, children: Children, folder: Path, delay: float) -> None:
        self.port = free_port()
        self._children, self._folder, self._delay = children, folder, delay
        self._running = AsyncExitStack()

    @property
    def url(self) -> str:
        """Without `/v1`."""
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Returns once it answers."""
        argv = _python("upstream", str(self.port), str(self._delay))
        running = self._children.running("upstream", argv, self._folder / "upstream.log")
        self._child = await self._running.enter_async_context(running)
        await _answering(self.port, self._child, 30.0)

    def signal(self, number: int) -> None:
        """SIGSTOP, SIGCONT, SIGKILL."""
        os.kill(self._child.pid, number)

    async def count(self) -> int:
        """How many requests it got since it was started."""
        async with aiohttp.ClientSession() as http, http.get(f"{self.url}/count") as answer:
            return int(await answer.text())

    async def stop(self) -> None:
        """End it, frozen or not."""
        await self._running.aclose()


@dataclass(frozen=True, slots=True)
class Gateway:
    """A gateway that answers."""

    name: str
    port: int
    process: psutil.Process

    @property
    def cpu(self) -> float:
        """Seconds of processor time that it and its children took so far."""
        return sum(sum(each.cpu_times()[:2]) for each in self._tree())

    @property
    def resident(self) -> float:
        """MB of memory, shared pages counted once for each of its processes."""
        return sum(each.memory_info().rss for each in self._tree()) / 1e6

    def _tree(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


class Load:
    """The process that asks."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    @classmethod
    @asynccontextmanager
    async def started(cls) -> AsyncIterator[Load]:
        """Ends with the block."""
        pipe = asyncio.subprocess.PIPE
        limit = 2**26
        process = await asyncio.create_subprocess_exec(
            *_python("load"), stdin=pipe, stdout=pipe, limit=limit
        )
        try:
            yield cls(process)
        finally:
            process.kill()
            await process.wait()

    async def __call__(self, order: Order) -> dict[str, Any]:
        """Have it carried out; returns what came of it. Raises OpsError when the process dies."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise OpsError("the process that asks has died")
        told: dict[str, Any] = json.loads(line)
        return told


class Stage:
    """Starts what a bench needs, in a folder of its own."""

    def __init__(self, stack: AsyncExitStack, folder: Path) -> None:
        self._stack, self._folder, self._children = stack, folder, Children()

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[Stage]:
        """Everything ends with the block."""
        async with AsyncExitStack() as stack:
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="gantry-gateway-"))
            yield cls(stack, Path(folder))

    async def upstream(self, delay: float = 0.0) -> Upstream:
        """One that answers, after so many seconds."""
        upstream = Upstream(self._children, self._folder, delay)
        self._stack.push_async_callback(upstream.stop)
        await upstream.start()
        return upstream

    async def load(self) -> Load:
        """Who asks."""
        return await self._stack.enter_async_context(Load.started())

    async def gateway(self, candidate: Candidate, urls: Sequence[str]) -> Gateway:
        """One that answers. Raises OpsError, with the reason, where that cannot be had."""
        port = free_port()
        argv = await asyncio.to_thread(candidate.start, port, urls, self._folder)
        log = self._folder / f"{candidate.name}.log"
        async with AsyncExitStack() as attempt:
            running = self._children.running(
                candidate.name, _with(candidate.environment, argv), log
            )
            child = await attempt.enter_async_context(running)
            await _answering(port, child, candidate.patience)
            await self._stack.enter_async_context(attempt.pop_all())
        return Gateway(candidate.name, port, psutil.Process(child.pid))


def free_port() -> int:
    """One that nobody listens on at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _python(module: str, *words: str) -> list[str]:
    return [sys.executable, "-m", f"bench.gateway.{module}", *words]


def _with(environment: Mapping[str, str], argv: Sequence[str]) -> list[str]:
    said = [f"{name}={value}" for name, value in environment.items()]
    return ["env", *said, *argv] if said else [*argv]


async def _answering(port: int, child: Child, patience: float) -> None:
    """Wait for a first completion. Raises OpsError when none comes, or the process ends."""
    headers = {"Authorization": f"Bearer {KEY}"}
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
    url = f"http://127.0.0.1:{port}/v1/chat/completions"
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    async with aiohttp.ClientSession(headers=headers) as http:
        while loop.time() < until and child.exit_code is None:
            try:
                timeout = aiohttp.ClientTimeout(total=5)
                async with http.post(url, json=asked, timeout=timeout) as answer:
                    if answer.status == 200:
                        return
            except (aiohttp.ClientError, TimeoutError):
                pass
            await asyncio.sleep(_LOOK_EVERY)
    words = [line for line in child.last_lines() if line.strip()]
    raise OpsError(f"it does not answer; its last words: {words[-1] if words else 'none'}")
