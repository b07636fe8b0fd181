"""What a replica was made of, from its records and from what is known of its model file."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from deployers.models.checksums import Checksums, Known, identity
from deployers.process.records import Folder
from domain import made_of
from domain.made_of import MadeOf


def of_replica(folder: Folder) -> MadeOf:
    """As it was when the replica started, whatever became of the file since."""
    record, known = folder.record, folder.known
    if record is None or not record.model:
        return ()
    told = [(made_of.FILE, record.model), (made_of.SIZE, str(record.identity[0]))]
    told += _content(known)
    told += [(made_of.ENGINE, record.engine), (made_of.COMMAND, shlex.join(record.command))]
    return tuple(told)


def of_file(path: Path, known: Known | None) -> MadeOf:
    """What a replica that serves this file would be made of. Raises OSError."""
    size = str(path.stat().st_size)
    return ((made_of.FILE, str(path)), (made_of.SIZE, size), *_content(known))


async def prove(folder: Folder, checksums: Checksums, tell: Callable[[float], None]) -> None:
    """Find out what the replica's model file holds, if it still is the file it started from.

    Only once a replica serves: reading 40 GB takes a minute or two. Raises nothing: what cannot
    be found out is left out.
    """
    record = folder.record
    if record is None or not record.model or folder.known:
        return
    path = Path(record.model)
    known = await checksums.find_out(path, tell)
    with suppress(OSError):
        if known and identity(path) == record.identity:
            folder.remember_known(known)


def _content(known: Known | None) -> list[tuple[str, str]]:
    if known is None:
        return []
    commit = [(made_of.COMMIT, known.commit)] if known.commit else []
    return [(made_of.SHA256, known.sha256), *commit]
