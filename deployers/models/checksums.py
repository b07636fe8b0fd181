"""The checksums of model files, each worked out once for as long as nobody writes to the file.

What is known of a file is kept in one of its own, so that several bots may share a models folder:

    DIRECTORY/.known/1f3a....json      path, identity, sha256 and, from a hub, the commit
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

Identity = tuple[int, int, int]
"""(bytes, time of the last write in ns, inode): another one means that the file may be another."""

_CHUNK = 16 << 20


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of the content of a file."""

    sha256: str
    commit: str | None = None
    """Of the repository it was fetched from."""


def identity(path: Path) -> Identity:
    """Which file this is, without reading it. Raises OSError."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ino


@dataclass(frozen=True, slots=True)
class Checksums:
    """What is known of the model files of one machine."""

    directory: Path

    def recall(self, path: Path) -> Known | None:
        """What was found out before; None if nothing was, or if the file was written to since."""
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads(self._place(path).read_text())
            if tuple(kept["identity"]) == identity(path):
                return Known(**kept["known"])
        return None

    def note(self, path: Path, known: Known, of: Identity) -> None:
        """Keep what was found out about a file. A folder that cannot be written to keeps nothing:
        it is worked out again then."""
        place = self._place(path)
        fields = {"path": str(path), "identity": of, "known": asdict(known)}
        draft = place.with_name(f"{place.name}.{os.getpid()}")
        with suppress(OSError):
            place.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(fields, indent=1))
            draft.replace(place)

    async def find_out(self, path: Path, tell: Callable[[float], None]) -> Known | None:
        """What is known, worked out first if it must be: 1 to 3 s for each GB.

        `tell` hears the fraction that is done. None for a file that cannot be read, or that
        somebody writes to meanwhile. Cancelling takes effect within a chunk.
        """
        if known := self.recall(path):
            return known
        try:
            before = identity(path)
            found = await _sha256(path, before[0], tell)
            if identity(path) != before:
                return None
        except OSError:
            return None
        self.note(path, Known(found), before)
        return Known(found)

    def _place(self, path: Path) -> Path:
        name = hashlib.sha256(str(path).encode()).hexdigest()[:32]
        return self.directory / ".known" / f"{name}.json"


async def _sha256(path: Path, size: int, tell: Callable[[float], None]) -> str:
    """In another thread, chunk by chunk, so that stopping the bot need not wait for 40 GB."""
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, _CHUNK):
            await asyncio.to_thread(digest.update, chunk)
            done += len(chunk)
            if done < size:
                tell(done / size)
    return digest.hexdigest()
