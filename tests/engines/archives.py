"""Files as they go into an image: owned by root, whoever made them here."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path


def add_file(tar: tarfile.TarFile, name: str, path: Path, mode: int | None = None) -> None:
    """A file of this machine; without a mode it may be run there if it may be here."""
    state = path.stat()
    entry = _entry(name, mode or (0o755 if state.st_mode & 0o100 else 0o644))
    entry.size, entry.mtime = state.st_size, int(state.st_mtime)
    with path.open("rb") as file:
        tar.addfile(entry, file)


def add_link(tar: tarfile.TarFile, name: str, target: str) -> None:
    """A symbolic link."""
    entry = _entry(name, 0o777)
    entry.type, entry.linkname = tarfile.SYMTYPE, target
    tar.addfile(entry)


def add_folder(tar: tarfile.TarFile, name: str, mode: int) -> None:
    """An empty folder."""
    entry = _entry(name, mode)
    entry.type = tarfile.DIRTYPE
    tar.addfile(entry)


def add_text(tar: tarfile.TarFile, name: str, text: str, mode: int = 0o644) -> None:
    """A file that is written here."""
    entry = _entry(name, mode)
    entry.size = len(text.encode())
    tar.addfile(entry, io.BytesIO(text.encode()))


def _entry(name: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.mode, entry.uname, entry.gname = mode, "root", "root"
    return entry
