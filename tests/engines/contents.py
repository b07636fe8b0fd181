"""What goes into an image: this machine's own Python and programs, with what they link to."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path

Files = dict[str, Path]
"""Path in the image to the file here that is copied there."""

_STDLIB = "usr/local/lib/python{}.{}".format(*sys.version_info)
_LEFT_OUT = {
    *("test", "tests", "idlelib", "ensurepip", "tkinter", "turtledemo", "lib2to3", "pydoc_data"),
    *("site-packages", "dist-packages", "distutils", "venv", "curses", "sqlite3", "dbm"),
}
_EXTENSIONS_LEFT_OUT = re.compile(
    r"_tkinter|_test|_xxtest|_ctypes_test|readline|_curses|_dbm|_gdbm|_sqlite3|nis|xx"
)
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def python() -> Files:
    """The running interpreter and its standard library, under /usr/local.

    Compiled modules come along: they hold the time of their source, which is kept, so that
    nothing is compiled when a container starts.
    """
    program = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    stdlib = Path(sysconfig.get_path("stdlib")).resolve()
    files = {"usr/local/bin/python3": program}
    for path in _under(stdlib):
        extension = path.suffix == ".so" and _EXTENSIONS_LEFT_OUT.match(path.name)
        if path.suffix in (".py", ".so") and not extension:
            files[f"{_STDLIB}/{path.relative_to(stdlib)}"] = path
            files |= _compiled(path, f"{_STDLIB}/{path.parent.relative_to(stdlib)}")
    return files


def package(name: str, folder: str) -> Files:
    """An installed package of this environment, put into a folder of the image."""
    found = importlib.util.find_spec(name)
    assert found is not None, f"{name} is not installed here"
    assert found.origin is not None, f"{name} has no files"
    root = Path(found.origin).parent
    return {
        f"{folder}/{name}/{path.relative_to(root)}": path
        for path in root.rglob("*")
        if path.is_file() and ".opt-" not in path.name
    }


def programs() -> Files:
    """curl as the official images have it, and a busybox that is everything else."""
    files = {"etc/ssl/certs/ca-certificates.crt": _CA_BUNDLE}
    for place, name, debian in (
        ("usr/bin/curl", "curl", "curl"),
        ("bin/busybox", "busybox", "busybox-static"),
    ):
        program = shutil.which(name)
        assert program, f"there is no {name} to put into an image (Debian: apt install {debian})"
        files[place] = Path(program).resolve()
    return files


def applets() -> list[str]:
    """The other names that busybox answers to."""
    asked = subprocess.run(["busybox", "--list"], capture_output=True, text=True, check=True)
    return [name for name in asked.stdout.split() if name != "busybox"]


def libraries(files: Iterable[Path]) -> Files:
    """Every shared library that these are linked to, at the same path."""
    linked = [str(path) for path in files if _is_elf(path)]
    asked = subprocess.run(["ldd", *linked], capture_output=True, text=True, check=False)
    found = set(re.findall(r"(?:=> |^\s)(/\S+) \(0x", asked.stdout, re.MULTILINE))
    return {name.lstrip("/"): Path(name).resolve() for name in sorted(found)}


def _under(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in _LEFT_OUT and name != "__pycache__"]
        folders[:] = [name for name in folders if not name.startswith("config-")]
        yield from (Path(root, name) for name in names)


def _compiled(source: Path, folder: str) -> Files:
    compiled = Path(importlib.util.cache_from_source(str(source), optimization=""))
    if source.suffix != ".py" or not compiled.is_file():
        return {}
    return {f"{folder}/__pycache__/{compiled.name}": compiled}


def _is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"
