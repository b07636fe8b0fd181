"""One `ssh` process that holds a connection open for others to share (ControlMaster)."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from pathlib import Path

from deployers.docker.ways import openssh, openssh_words, ssh_sentences
from deployers.docker.ways.openssh import Destination
from deployers.docker.ways.sessions import session
from domain.clock import Clock
from domain.errors import TargetError

_UP_WITHIN = 15.0
_ADDED_WITHIN = 5.0
_GONE_WITHIN = 4.0
_LOOK_EVERY = 0.02
_KEPT = 8192

# Sits between the bot and `ssh`, holding the reading end of a pipe that only the bot can write to.
# However the bot ends, by `kill -9` too, the pipe ends with it; then everything in this group does,
# proxies of ssh's included, and the folders go. A bot that only wants this one to end says so in a
# line. A stopped ssh heeds TERM only when it goes on.
_WATCHED = """
exec 3<&0
folder=$1
all=${folder%/*}
shift
trap : TERM
"$@" </dev/null 3<&- &
ssh=$!
(
    trap : TERM
    read -r _ <&3 || : >"$folder/orphaned"
    kill -TERM 0
    sleep 2
    rm -rf -- "$folder"
    kill -KILL 0
) 2>/dev/null >/dev/null &
guard=$!
wait "$ssh"
ended=$?
while kill -0 "$ssh" 2>/dev/null; do wait "$ssh"; ended=$?; done
kill -KILL "$guard" 2>/dev/null
if [ -e "$folder/orphaned" ]
then rm -rf -- "$folder" "$all"/*.sock; rmdir -- "$all" 2>/dev/null
else rm -rf -- "$folder"
fi
exit "$ended"
"""


class Master:
    """Started and stopped as often as one likes; once it ended it is started anew or left."""

    def __init__(self, address: str, destination: Destination, folder: Path, clock: Clock) -> None:
        self.control = folder / "m"
        """Where other `ssh` processes find it."""
        self.folder = folder
        """Its own: there exactly as long as it runs."""
        self._address, self._destination, self._clock = address, destination, clock
        self._process: Process | None = None
        self._said = ""
        self._listening: asyncio.Task[None] | None = None

    @property
    def alive(self) -> bool:
        """True while its process runs."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Connect and log in. Raises Unreachable or Refused, with OpenSSH's reason in our words."""
        await self.stop()
        if shutil.which("ssh") is None:
            raise ssh_sentences.ssh_missing()
        self._said = ""
        try:
            self._process = await self._spawn()
        except OSError as error:  # no room for processes, or none for the folder
            raise ssh_sentences.not_started(self._address, str(error)) from error
        self._listening = asyncio.create_task(self._listen(), name=f"words of {self._address}")
        try:
            await self._until_up()
        except BaseException:
            await self.stop()
            raise

    async def ended(self) -> TargetError:
        """Wait for its end, whoever brings it about. Returns why."""
        if self._process is not None:
            await self._process.wait()
        if self._listening is not None:
            await asyncio.wait({self._listening}, timeout=1.0)
        return openssh_words.meaning(self._address, self._said.splitlines())

    @property
    def said(self) -> str:
        """The last of what it wrote."""
        return self._said

    async def forward(self, rule: str) -> str:
        """Listen here for there. Returns what was wrong with that, "" if nothing was."""
        code, said = await self._ask(openssh.forward(self.control, rule), _ADDED_WITHIN)
        return "" if code == 0 else said.strip() or "ssh does not answer"

    async def run(self, command: str, within: float) -> str:
        """What a command wrote there, to either place; "" if it did not end in time."""
        _, said = await self._ask(openssh.session(self.control, command), within)
        return said

    async def stop(self) -> None:
        """End it and what it started. Returns when it is gone."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None and not process.stdin.is_closing():
            process.stdin.write(b"end\n")
            process.stdin.close()
        try:
            async with asyncio.timeout(_GONE_WITHIN):
                await process.wait()
        except TimeoutError:
            pass
        finally:
            with suppress(ProcessLookupError):  # its guard, or a proxy that does not go
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            if self._listening is not None:
                self._listening.cancel()
                await asyncio.wait({self._listening})
            shutil.rmtree(self.folder, ignore_errors=True)

    async def _ask(self, command: tuple[str, ...], within: float) -> tuple[int | None, str]:
        async with session(command) as (asking, said):
            try:
                async with asyncio.timeout(within):
                    text = await said.read()
                    return await asking.wait(), text.decode("utf-8", "replace")
            except TimeoutError:
                return None, ""

    async def _spawn(self) -> Process:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        command = openssh.master(self._destination, self.control)
        return await asyncio.create_subprocess_exec(
            *("/bin/sh", "-c", _WATCHED, "gantry-ssh", str(self.folder), *command),
            stdin=PIPE,
            stdout=DEVNULL,
            stderr=PIPE,
            env=openssh.environment(),
            start_new_session=True,
        )

    async def _until_up(self) -> None:
        """Its socket is there once it has logged in, and no sooner."""
        deadline = self._clock.monotonic() + _UP_WITHIN
        while not self.control.exists():
            if not self.alive:
                raise await self.ended()
            if self._clock.monotonic() >= deadline:
                raise ssh_sentences.silent(self._address)
            await self._clock.sleep(_LOOK_EVERY)

    async def _listen(self) -> None:
        """Keep the last of what it says. What listens must not stop, or ssh would wait for it."""
        assert self._process is not None
        assert self._process.stderr is not None
        while piece := await self._process.stderr.read(4096):
            self._said = (self._said + piece.decode("utf-8", "replace"))[-_KEPT:]
