"""How long from `!deploy` to "ready", against starting the same server by hand."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aiohttp

from bench.caller import Caller
from bench.measures import Book, Bound, Figure, Measure
from bench.room import Tell
from bench.stage import Stage
from domain.errors import OpsError

_PATIENCE = 120.0
_LOOK_EVERY = 0.01
_DEPLOY, _REMOVE = "!deploy tiny tiny://ops", "!remove tiny"


class Ends:
    """Hears how operations end."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._ended: dict[str, tuple[str, float, str]] = {}
        self._fresh = asyncio.Event()
        caller.listen(self._hear)

    async def seconds(self, room: str, command: str, patience: float = _PATIENCE) -> float:
        """Say it and wait until the room is told that it succeeded."""
        begun = time.perf_counter()
        event = await self._caller.say(room, command)
        async with asyncio.timeout(patience):
            while event not in self._ended:
                self._fresh.clear()
                await self._fresh.wait()
        state, at, said = self._ended[event]
        if state != "succeeded":
            raise OpsError(f"{command}: {said}")
        return at - begun

    def _hear(self, event: Mapping[str, Any], at: float) -> None:
        content = event["content"].get("m.new_content", event["content"])
        operation = content.get("gantry.operation")
        if operation and operation["state"] in ("succeeded", "failed", "cancelled"):
            self._ended[operation["event"]] = (operation["state"], at, content["body"])
            self._fresh.set()


async def bench_deploy(book: Book, stage: Stage, tell: Tell, times: int) -> None:
    """Turn about, after one of each that only warms the caches."""
    ends, room = Ends(stage.caller), stage.gantry.room
    ours: list[float] = []
    by_hand: list[float] = []
    for turn in range(times + 1):
        ours.append(await ends.seconds(room, _DEPLOY))
        argv = _recorded_command(stage.folder)
        await ends.seconds(room, _REMOVE)
        folder = stage.folder / f"by-hand-{turn}"
        folder.mkdir()
        by_hand.append(await _by_hand(argv, folder))
        tell(f"deployed in {ours[-1]:.2f} s, by hand in {by_hand[-1]:.2f} s")
    measured, peer = Figure.median(ours[1:]), Figure.median(by_hand[1:])
    bound = Bound(factor=1.2, slack=1.0)
    book.note(Measure("deploy.ready", "s", times, measured, peer, "by hand", bound))


def _recorded_command(folder: Path) -> list[str]:
    """The command line the deployer wrote down for the replica that runs now."""
    record = next(folder.glob("targets/local/tiny/*/replica.json"))
    return list(json.loads(record.read_text())["command"])


async def _by_hand(argv: Sequence[str], folder: Path) -> float:
    """Seconds from starting the server to its first token. It is stopped again."""
    line = list(argv)
    line[line.index("--replica-dir") + 1] = str(folder)
    begun = time.perf_counter()
    server = await asyncio.create_subprocess_exec(
        *line, stdin=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(_PATIENCE), aiohttp.ClientSession() as http:
            while not await _first_token(http, folder / "endpoint"):
                if server.returncode is not None:
                    raise OpsError(f"by hand: the server ended with {server.returncode}")
                await asyncio.sleep(_LOOK_EVERY)
        return time.perf_counter() - begun
    finally:
        if server.returncode is None:
            server.terminate()
        await server.wait()


async def _first_token(http: aiohttp.ClientSession, endpoint: Path) -> bool:
    """Ask for a streamed token. False while there is nobody to ask, or the model loads."""
    url = _text(endpoint)
    if not url:
        return False
    question = {
        "model": "tiny",
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": 1,
        "temperature": 0.0,
        "stream": True,
    }
    async with http.post(f"{url}/v1/chat/completions", json=question) as response:
        async for line in response.content:
            if line.startswith(b"data: {") and _said(json.loads(line[6:])):
                return True
        if response.status != 503:
            raise OpsError(f"by hand: no token came, status {response.status}")
    return False


def _text(file: Path) -> str:
    return file.read_text() if file.exists() else ""


def _said(part: Mapping[str, Any]) -> bool:
    return any(choice["delta"].get("content") for choice in part.get("choices", ()))
