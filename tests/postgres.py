"""A real PostgreSQL that is thrown away: a cluster of its own, under a user who may do nothing."""

from __future__ import annotations

import asyncio
import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
from sqlalchemy.engine import make_url

from bot.clock import SystemClock
from fleet.store.database import Store
from fleet.store.postgres import Address, Shared

SETTINGS = (
    *("fsync=off", "full_page_writes=off", "synchronous_commit=off"),
    *("max_connections=40", "shared_buffers=16MB", "listen_addresses=127.0.0.1"),
    "unix_socket_directories=",
)
"""What a database that nobody wants back can do without."""


def programs() -> Path | None:
    """The folder with initdb and pg_ctl, if PostgreSQL is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).resolve().parent if on_path else None


class Cluster:
    """Databases, each a copy of one whose tables are made."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self.folder = folder
        self._programs = programs
        self._names = itertools.count(1)
        self._pattern = False
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]

    @classmethod
    @contextmanager
    def started(cls, programs: Path) -> Iterator[Cluster]:
        """Make one and run it until the block ends."""
        folder = Path(tempfile.mkdtemp(prefix="gantry-pg-"))
        cluster = cls(programs, folder)
        try:
            if os.getuid() == 0:
                shutil.chown(folder, *_nobody())
            # An order of words in which `;` comes before `:`, unlike that of bytes.
            order = ("--locale=C", "--locale-provider=icu", "--icu-locale=en")
            cluster._run("initdb", "-U", "gantry", "-A", "trust", "-E", "UTF8", "-N", *order)
            cluster.start()
            yield cluster
            cluster.stop("immediate")
        finally:
            shutil.rmtree(folder)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        options = " ".join(f"-c {setting}" for setting in (f"port={self.port}", *SETTINGS))
        self._run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self, how: str = "fast") -> None:
        """Stop it. `fast` is a clean restart's, `immediate` a crash."""
        self._run("pg_ctl", "-w", "-m", how, "stop")

    def url(self, name: str) -> str:
        """Of one of its databases."""
        return f"postgresql://gantry@127.0.0.1:{self.port}/{name}"

    async def empty(self) -> str:
        """A database with nothing in it. Returns its URL."""
        return await self._make("template1")

    async def fresh(self) -> str:
        """A database with tables, and nothing in them. Returns its URL."""
        if not self._pattern:
            await self.run("postgres", "CREATE DATABASE pattern")
            await (await opened(self.url("pattern"))).aclose()
            self._pattern = True
        return await self._make("pattern")

    async def drop(self, url: str) -> None:
        """Take a database away, whoever still reads it. A thousand that are kept to the end are
        gigabytes for the disk to write, and minutes to remove."""
        await self.run("postgres", f"DROP DATABASE {name_of(url)} WITH (FORCE)")

    async def run(self, database: str, statement: str) -> list[asyncpg.Record]:
        """Run a statement past the bot."""
        connection = await asyncpg.connect(self.url(database))
        try:
            rows: list[asyncpg.Record] = await connection.fetch(statement)
            return rows
        finally:
            await connection.close()

    async def _make(self, template: str) -> str:
        name = f"test{next(self._names)}"
        await self.run("postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def _run(self, program: str, *words: str) -> None:
        user = _nobody() if os.getuid() == 0 else (None, None)
        done = subprocess.run(
            [str(self._programs / program), "-D", str(self.folder / "data"), *words],
            user=user[0],
            group=user[1],
            extra_groups=[] if user[0] is not None else None,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE if program == "initdb" else None,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr}"


def name_of(url: str) -> str:
    """The database that a URL names."""
    return make_url(url).database or ""


async def opened(url: str, instance: str = "one", patience: float = 20.0) -> Store:
    """The state in a database, once it is our turn."""
    clock = SystemClock()
    shared = await Shared.connect(Address(url, None, instance))
    try:
        async with asyncio.timeout(patience):
            while (lease := await shared.take(clock)) is None:
                await asyncio.sleep(0.05)
        return await shared.open(lease, clock, lambda _: None)
    except BaseException:
        await shared.aclose()
        raise


def _nobody() -> tuple[int, int]:
    """Whom PostgreSQL runs as when we are root: it refuses to be root."""
    entry = pwd.getpwnam("nobody")
    return entry.pw_uid, entry.pw_gid
