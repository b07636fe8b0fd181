"""The real bot as a process, to be killed and started again."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import yaml

from bot.demo.homeserver import Account
from bot.demo.leftovers import stop_leftovers

_TARGETS = {
    "local": {"kind": "process"},
    "stage": {"kind": "rehearsal", "pace": 0.2},
    "still": {"kind": "rehearsal", "pace": 60.0},
}

STUCK = "!deploy stuck tiny://smooth --target still"
"""What only a cancellation ends: nothing gets anywhere there while a test lasts."""


class BotProcess:
    """`gantry run` on one configuration."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.config = folder / "gantry.yaml"
        self.log = folder / "bot.log"
        self.config.write_text(yaml.safe_dump(dict(settings)))
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """Of the running bot."""
        assert self._process is not None
        return self._process.pid

    async def start(self, *, ready: bool = True) -> None:
        """Start it, and wait until it has read everything said so far."""
        already = self.said().count("ready")
        with self.log.open("a") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "bot", "run", "--config", str(self.config), stderr=log
            )
        while ready and self.said().count("ready") == already:
            assert self._process.returncode is None, self.log.read_text()
            await asyncio.sleep(0.02)

    async def kill(self) -> None:
        """As the kernel does it: at once, with no last words."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """As an operator does it. Returns the exit code."""
        return await self._end(signal.SIGTERM)

    async def wait(self) -> int:
        """Wait for it to leave by itself."""
        assert self._process is not None
        return await asyncio.wait_for(self._process.wait(), 30)

    def said(self) -> list[str]:
        """The events in its log, in order."""
        return [line["event"] for line in self.lines()]

    def lines(self) -> list[dict[str, Any]]:
        """Its log, parsed."""
        text = self.log.read_text() if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def servers(self) -> list[int]:
        """Process ids of every model server started for this bot, whoever their parent is now."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            ours = str(self.folder).encode() in b" ".join(words)
            if entry.name.isdigit() and ours and b"serve_gguf" in b" ".join(words):
                found.append(int(entry.name))
        return found

    async def _end(self, number: signal.Signals) -> int:
        if self._process is None or self._process.returncode is not None:
            return 0 if self._process is None else self._process.returncode or 0
        os.kill(self._process.pid, number)
        return await asyncio.wait_for(self._process.wait(), 30)


def settings(
    folder: Path, homeserver: str, bot: Account, room: str, operators: list[str], **more: Any
) -> dict[str, Any]:
    """A configuration for one room with a process target and two that only rehearse."""
    password = folder / "password"
    password.write_text(bot.password)
    matrix = {"homeserver": homeserver, "user_id": bot.user_id, "password_file": str(password)}
    matrix |= {"welcome": False}  # tests count what is said
    made: dict[str, Any] = {
        "matrix": {**matrix, **more.pop("matrix", {})},
        "state": {"url": f"sqlite:///{folder}/gantry.db"},
        "environments": {"test": {"targets": list(_TARGETS)}},
        "rooms": {room: {"environment": "test"}},
        "access": {"viewer": ["*"], "operator": operators},
        "targets": _TARGETS,
        "monitoring": {"probe_every": "1s"},
    }
    return {**made, **more}


@asynccontextmanager
async def running(bot: BotProcess) -> AsyncIterator[BotProcess]:
    """Run the bot for a while; nothing of it is left afterwards."""
    await bot.start()
    try:
        yield bot
    finally:
        await bot.stop()
        await stop_leftovers(bot.folder, patience=10)
