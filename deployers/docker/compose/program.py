"""The `docker compose` of this machine: whether it is there, and how it is run."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deployers.docker.ways.connection import Way
from domain.errors import Refused

HOW = (
    "install Compose v2 on the bot's machine: the package docker-compose-plugin of Docker's, "
    "docker-compose-v2 of Ubuntu's, docker-compose from Debian 13 on; or leave Compose out"
)

_PLUGIN = "docker-compose"
_SYSTEM = tuple(
    Path(prefix, kind, "docker", "cli-plugins")
    for prefix in ("/usr/local", "/usr")
    for kind in ("lib", "libexec")
)
"""Where Docker looks for plugins by itself."""

_PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Said:
    """How a run of it ended."""

    code: int
    text: str
    """What it wrote, to either place."""


@dataclass(frozen=True, slots=True)
class Program:
    """Runs it with a configuration of its own: no logins, contexts or proxies of the user's."""

    folder: Path
    """For DOCKER_CONFIG. The bot's own; targets share it."""

    def missing(self) -> str | None:
        """Why it is not to be had, by a look at a few files; None if it seems to be there."""
        if shutil.which("docker") is None:
            return "there is no `docker` command on the bot's machine"
        if any((folder / _PLUGIN).exists() for folder in (*_users(), *_SYSTEM)):
            return None
        if shutil.which(_PLUGIN):
            return "the bot's machine has `docker-compose`, but no `docker compose` (Compose v2)"
        return "the bot's machine has no `docker compose` (Compose v2)"

    async def version(self) -> str:
        """Its version. Raises Refused, with how to get it, where it is missing or does not run."""
        if missing := self.missing():
            raise Refused(missing, hint=HOW)
        said = await self.run(Way(""), ("version", "--short"), within=20.0)
        version = said.text.strip()
        if said.code != 0 or not version.lstrip("v")[:1].isdigit():
            raise Refused("the bot's `docker compose` does not run", hint=HOW)
        return version

    async def run(
        self, way: Way, words: tuple[str, ...], *, given: str = "", within: float
    ) -> Said:
        """Run it, with so much on its standard input, for so many seconds.

        It sees nothing of our environment, and no file of the folder it is run in. Raises
        TimeoutError when it took too long, and Refused if it cannot be started; it is gone then,
        as when one stops waiting for it.
        """
        process = await self._started(way, words)
        try:
            async with asyncio.timeout(within):
                said, _ = await process.communicate(given.encode())
        finally:
            await _end(process)
        return Said(process.returncode or 0, said.decode("utf-8", "replace"))

    async def _started(self, way: Way, words: tuple[str, ...]) -> Process:
        """Who stops waiting meanwhile has it ended whole: asyncio would end `docker` alone, and
        then wait for what that started."""
        starting = asyncio.create_task(self._spawn(way, words), name="docker compose")
        try:
            return await asyncio.shield(starting)
        except asyncio.CancelledError:
            await asyncio.wait({starting})
            if starting.exception() is None:
                await _end(starting.result())
            raise

    async def _spawn(self, way: Way, words: tuple[str, ...]) -> Process:
        command = ("docker", "compose", "--env-file", os.devnull, *words)
        try:
            self._furnish()
            return await asyncio.create_subprocess_exec(
                *command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=STDOUT,
                env=environment(way, self.folder),
                cwd="/",  # the engine is told where; that is to say nothing of this machine
                start_new_session=True,
            )
        except OSError as error:
            raise Refused(f"`docker compose` cannot be started: {error}", hint=HOW) from error

    def _furnish(self) -> None:
        """The folder, with the user's own plugin in it if there is one."""
        link = self.folder / "cli-plugins" / _PLUGIN
        self.folder.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        link.parent.mkdir(mode=_PRIVATE, exist_ok=True)
        theirs = next((f / _PLUGIN for f in _users() if (f / _PLUGIN).exists()), None)
        if theirs is None:
            link.unlink(missing_ok=True)
        elif not link.is_symlink() or link.readlink() != theirs:
            draft = link.with_name(f".{_PLUGIN}.{os.getpid()}")
            draft.unlink(missing_ok=True)
            draft.symlink_to(theirs)
            draft.replace(link)


def environment(way: Way, folder: Path, ours: Mapping[str, str] | None = None) -> dict[str, str]:
    """All that it sees: where the engine is, its own configuration, and where programs are."""
    ours = os.environ if ours is None else ours
    return {
        "PATH": ours.get("PATH", os.defpath),
        "HOME": str(folder),
        "DOCKER_CONFIG": str(folder),
        **way.environment,
    }


async def _end(process: Process) -> None:
    """By force, with everything in its group."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _users() -> tuple[Path, ...]:
    """Where the plugins of the bot's user are."""
    named = os.environ.get("DOCKER_CONFIG")
    home = os.environ.get("HOME")
    folders = ([Path(named)] if named else []) + ([Path(home, ".docker")] if home else [])
    return tuple(folder.absolute() / "cli-plugins" for folder in folders)
