"""Clearing away what an engine left running or mounted."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path

import psutil


def kill(processes: Iterable[psutil.Process]) -> None:
    """Kill them all, and wait until they are gone."""
    killed = list(processes)
    for process in killed:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    _, alive = psutil.wait_procs(killed, timeout=10)
    assert not alive, f"cannot be killed: {alive}"


def mounts(folder: Path) -> list[str]:
    """What is mounted under it, the innermost first."""
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    return [point for point in reversed(points) if Path(point).is_relative_to(folder)]


def unmount(folder: Path) -> None:
    """Unmount everything under it."""
    for point in mounts(folder):
        subprocess.run(["umount", "--lazy", point], check=True)
