"""Subprocesses that never outlive this one, however it ends."""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class Child:
    """One running subprocess, in a session of its own so that Ctrl-C does not reach it."""

    def __init__(self, name: str, process: asyncio.subprocess.Process, log: Path, start: int):
        self.name = name
        self.pid = process.pid
        self.log = log
        self._process = process
        self._log_start = start

    @property
    def exit_code(self) -> int | None:
        """None while it runs; -N where signal N ended it."""
        return self._process.returncode

    async def wait(self) -> int:
        """Wait for its end, whoever brings that about."""
        return await self._process.wait()

    def output(self) -> str:
        """What it wrote to its log since it was started."""
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def last_lines(self, count: int = 8) -> tuple[str, ...]:
        """The end of what it wrote, oldest line first."""
        return tuple(deque(self.output().splitlines(), maxlen=count))

    def kill(self) -> None:
        """End it at once."""
        self._send(signal.SIGKILL)

    async def stop(self, patience: float) -> None:
        """Ask it to end, and insist after `patience` seconds."""
        self._send(signal.SIGTERM)
        try:
            async with asyncio.timeout(patience):
                await self.wait()
        except TimeoutError:
            self.kill()
            await self.wait()

    def _send(self, signum: int) -> None:
        """A signal, unless it has ended. Not by asyncio's own way: it looks first whether it has
        (`Popen.send_signal`), and that look may take the exit code from who waits for it."""
        if self.exit_code is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signum)


class Children:
    """All subprocesses of one run. Once hurried, nothing is waited for any more."""

    def __init__(self) -> None:
        self._running: list[Child] = []
        self._hurried = False

    def hurry(self) -> None:
        """End everything now; whatever is stopped later ends at once as well."""
        self._hurried = True
        for child in self._running:
            child.kill()

    @property
    def patience(self) -> float:
        """Seconds a child gets to end by itself."""
        return 0 if self._hurried else 10

    @asynccontextmanager
    async def running(
        self, name: str, argv: Sequence[str], log: Path, *, farewell: int = signal.SIGKILL
    ) -> AsyncIterator[Child]:
        """Run it until the block ends, its output appended to `log`.

        On Linux it gets the `farewell` signal if this process dies without a word.
        """
        with log.open("ab") as file:
            start = file.tell()
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
                preexec_fn=_leash(farewell),
            )
        child = Child(name, process, log, start)
        self._running.append(child)
        try:
            yield child
        finally:
            try:
                await child.stop(self.patience)
            finally:
                child.kill()
                self._running.remove(child)


def _leash(farewell: int) -> Callable[[], None] | None:
    """What ties a new child to the life of this process, between its fork and its exec."""
    if not sys.platform.startswith("linux"):
        return None
    libc, parent = _libc(), os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, farewell)
        if os.getppid() != parent:
            os._exit(1)

    return tie


@cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None)
