"""The part of a file that is here already: whose it is, whether it is whole, room for the rest."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import re
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deployers.models.transfer import Tell, in_words
from domain.clock import Clock
from domain.errors import Refused
from domain.sources import Source

_SPARE_DISK = 64 << 20
_SHA256 = re.compile(r"^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Remote:
    """What the hub says of a file before sending it."""

    etag: str
    size: int | None
    commit: str | None = None
    """Of the repository, which a branch's name stands for just now."""

    @property
    def sha256(self) -> str | None:
        """The hub gives large files their SHA-256 as ETag; small ones have a git hash."""
        return self.etag if _SHA256.match(self.etag) else None


def resumable(part: Path, remote: Remote) -> int:
    """Bytes of the same file fetched before; a part of another is thrown away."""
    try:
        noted = json.loads(_notes(part).read_text())["etag"]
    except (FileNotFoundError, ValueError, KeyError):
        noted = None
    have = length(part)
    if remote.etag and noted == remote.etag and (remote.size is None or have <= remote.size):
        return have
    forget(part)
    return 0


def verify(part: Path, remote: Remote, source: Source) -> str:
    """The SHA-256 of what came. Raises Refused, and throws the part away, if it is not what the
    hub holds."""
    with part.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if remote.sha256 and found != remote.sha256:
        forget(part)
        raise Refused(
            f"{source} came damaged: its checksum is not the one the hub names",
            hint="deploy again to fetch it anew; if that repeats, a proxy may be changing it",
        )
    return found


def check_disk(part: Path, remote: Remote, have: int) -> None:
    """Raises Refused if the rest of the file will not fit."""
    free = shutil.disk_usage(part.parent).free
    if remote.size is not None and remote.size - have + _SPARE_DISK > free:
        raise Refused(
            f"the disk is too small: {in_words(remote.size - have)} to fetch, "
            f"{in_words(free)} free in {part.parent}",
            hint="make room there or set models_dir to a larger disk",
        )


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Say what a disk raises in words a person can act on."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise Refused(
                f"the disk is full in {folder}",
                hint="make room there and do it again; a download goes on where it stopped",
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS):
            raise Refused(
                f"the bot may not write in {folder}", hint="give it that folder, or set another"
            ) from error
        raise


@asynccontextmanager
async def alone(path: Path, clock: Clock, tell: Tell) -> AsyncIterator[None]:
    """Wait until no other download of the same file runs, ours or another bot's."""
    with path.open("a") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                tell(None, "waiting for another download of the same file")
                await clock.sleep(0.2)
        yield


def note(part: Path, remote: Remote) -> None:
    """Write down whose part it is, before the first byte of it is kept."""
    _notes(part).write_text(json.dumps({"etag": remote.etag}))


def forget(part: Path) -> None:
    """Throw it away, notes and all."""
    part.unlink(missing_ok=True)
    _notes(part).unlink(missing_ok=True)


def length(part: Path) -> int:
    """Bytes that are here."""
    try:
        return part.stat().st_size
    except FileNotFoundError:
        return 0


def _notes(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")
