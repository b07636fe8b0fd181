"""The last lines of a growing file, and the ones that follow."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from domain.clock import Clock

_LOOK_EVERY = 0.2
_FARTHEST_BACK = 1024 * 1024
"""Bytes from the end beyond which no line is looked for."""


def size(path: Path) -> int:
    """Bytes in the file, 0 while there is none."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def last_lines(path: Path, count: int) -> tuple[str, ...]:
    """The last `count` lines, oldest first; fewer where there are fewer."""
    lines, _ = _tail(path, count)
    return lines


async def following(
    path: Path, count: int, clock: Clock, living: Callable[[], bool]
) -> AsyncIterator[str]:
    """The last lines, then each new one, until the writer is dead and all it wrote was told."""
    lines, position = _tail(path, count)
    for line in lines:
        yield line
    rest = b""
    while True:
        alive = living()  # before reading, so that the last words of the dying are not missed
        fresh, position = _read_on(path, position)
        *whole, rest = (rest + fresh).split(b"\n")
        for raw in whole:
            yield raw.decode("utf-8", "replace")
        if not alive and not fresh:
            break
        if not fresh:
            await clock.sleep(_LOOK_EVERY)
    if rest:
        yield rest.decode("utf-8", "replace")


def _tail(path: Path, count: int) -> tuple[tuple[str, ...], int]:
    try:
        with path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            start = file.seek(max(0, end - _FARTHEST_BACK))
            data = file.read(end - start)
    except FileNotFoundError:
        return (), 0
    whole = data[: data.rfind(b"\n") + 1]
    lines = deque(whole.decode("utf-8", "replace").splitlines(), maxlen=max(0, count))
    return tuple(lines), start + len(whole)


def _read_on(path: Path, position: int) -> tuple[bytes, int]:
    try:
        with path.open("rb") as file:
            file.seek(position)
            fresh = file.read(_FARTHEST_BACK)
    except FileNotFoundError:
        return b"", position
    return fresh, position + len(fresh)
