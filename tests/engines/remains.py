"""Clearing away what an engine left running or mounted."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

FOLDERS = "gantry-dockerd-"
"""How the folders of engines are called; the process that made one comes next."""


def processes_of(folder: Path) -> list[psutil.Process]:
    """Every process that names the folder in its command line, and its children."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        try:
            if f"{folder}/" in " ".join(process.cmdline()):
                for one in (process, *process.children(recursive=True)):
                    found[one.pid] = one
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue
    return list(found.values())


def mounts(folder: Path) -> list[str]:
    """What is mounted under it, the innermost first."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [point for point in reversed(points) if Path(point).is_relative_to(folder)]


def clear(folder: Path) -> None:
    """Kill what runs there, and unmount what is mounted there."""
    running = processes_of(folder)
    for process in running:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(running, timeout=10)
    assert not alive, f"cannot be killed: {alive}"
    for point in mounts(folder):
        subprocess.run(["umount", "--lazy", point], check=True)


@contextmanager
def alone() -> Iterator[None]:
    """Keep other test runs of this machine from doing the same at the same time."""
    with (Path(tempfile.gettempdir()) / "gantry-test-engines.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sweep() -> None:
    """Clear away the engines of test runs that were killed. Call it `alone`."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDERS}*"):
        owner = folder.name.removeprefix(FOLDERS).partition("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            clear(folder)
            shutil.rmtree(folder, ignore_errors=True)
