"""The folder a demo is kept in: one demo at a time, and never somebody else's files."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from bot.demo.leftovers import stop_leftovers
from domain.errors import Busy, OpsError, Refused

_LOCK = "demo.lock"
"""Held while a demo runs. That it is there at all tells a demo's folder from any other."""


@asynccontextmanager
async def demo_state(folder: Path, *, fresh: bool) -> AsyncIterator[Path]:
    """The folder, made if need be, for this process alone; emptied first if `fresh`.

    Raises Busy when a demo runs on it, Refused when it holds something else than a demo.
    """
    with _held(_own_folder(folder) / _LOCK):
        if fresh:
            await stop_leftovers(folder, patience=10)
            _empty(folder)
        yield folder


def _own_folder(folder: Path) -> Path:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        strange = any(folder.iterdir()) and not (folder / _LOCK).is_file()
    except OSError as error:
        raise Refused(f"{folder} cannot be used: {error.strerror}") from error
    if strange:
        raise Refused(
            f"{folder} holds something else than a demo and stays as it is",
            hint="name another folder with --state",
        )
    return folder


@contextmanager
def _held(lock: Path) -> Iterator[None]:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(
                f"a demo already runs on {lock.parent} ({lock.read_text() or 'just started'})",
                hint="end it, or name another folder with --state",
            ) from None
        os.truncate(descriptor, 0)
        since = datetime.now(UTC).astimezone().strftime("%H:%M:%S")
        os.write(descriptor, f"process {os.getpid()}, since {since}".encode())
        yield
    finally:
        os.close(descriptor)


def _empty(folder: Path) -> None:
    try:
        for entry in folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry.name != _LOCK:
                entry.unlink()
    except OSError as error:
        raise OpsError(f"{error.filename} cannot be removed: {error.strerror}") from error
