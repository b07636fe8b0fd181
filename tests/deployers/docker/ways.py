"""What the tests of ways by SSH share: one to a real sshd, and what goes over it."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from pathlib import Path
from typing import Any

import docker
import pytest

from bot.clock import SystemClock
from deployers.docker.ways.connections import connection
from deployers.docker.ways.ssh import SshConnection
from domain.errors import TargetError, Unreachable
from domain.targets import DockerTarget
from tests.sshd import Sshd

NO_FORWARDING = "AllowStreamLocalForwarding no"


@asynccontextmanager
async def way_to(
    sshd: Sshd, socket_there: Path | str, config: Path | None = None, user: str = ""
) -> AsyncIterator[SshConnection]:
    """The connection, in a folder of its own, looked into for what it leaves behind."""
    url = f"{sshd.url}{socket_there}"
    settings = DockerTarget(
        kind="docker",
        host=url.replace(f"{sshd.user}@", f"{user}@") if user else url,
        ssh_config=config or sshd.config(),
    )
    made = connection(settings, SystemClock(), sshd.folder / "run")
    assert isinstance(made, SshConnection)
    try:
        yield made
    finally:
        await made.aclose()
    assert list((sshd.folder / "run").glob("*")) == []


async def why(opening: Awaitable[object]) -> TargetError:
    with pytest.raises(TargetError) as caught:
        await opening
    return caught.value


async def until(holds: Callable[[], bool], patience: float = 20.0) -> None:
    async with asyncio.timeout(patience):
        while not holds():
            await asyncio.sleep(0.05)


async def until_open(ssh: SshConnection) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                await ssh.open()
                return
            except Unreachable:
                await asyncio.sleep(0.1)


@contextmanager
def client(url: str) -> Iterator[docker.APIClient]:
    made = docker.APIClient(url, version="1.41", timeout=20)
    made.trust_env = False
    with closing(made):
        yield made


async def asked(url: str, verb: str) -> Any:
    def ask() -> Any:
        with client(url) as engine:
            return getattr(engine, verb)()

    return await asyncio.to_thread(ask)


async def answers(url: str) -> bool:
    return bool(await asked(url, "ping"))


async def fetched(endpoint: str) -> bytes:
    reader, writer = await asyncio.open_connection(*endpoint.removeprefix("http://").split(":"))
    writer.write(b"hello\n")
    try:
        return await reader.read(100)
    finally:
        writer.close()


def counted(url: str, container: str) -> str:
    """How many bytes of a million arrived, by the `docker` command line."""
    done = subprocess.run(
        ("docker", "exec", "-i", container, "wc", "-c"),
        input=b"x" * 1_000_000,
        env={"PATH": os.environ["PATH"], "DOCKER_HOST": url},
        capture_output=True,
        timeout=30,
        check=False,
    )
    return (done.stdout or done.stderr).decode().strip()


def runs(command: str, path: str = "") -> str:
    """A line of sshd_config: run this before what was asked for; it may write to $LOG."""
    setting = f"PATH={path} " if path else ""
    if command.endswith("-c"):
        return f'ForceCommand {setting}{command} "$SSH_ORIGINAL_COMMAND"'
    return f'ForceCommand {command} exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"'


def programs(folder: Path) -> str:
    """A folder for a PATH that has little in it."""
    for name in ("sh", "sed", "uname", "id", "stat"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return str(folder)
