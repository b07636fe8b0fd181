"""Model servers outlive the bot on purpose. When a demo ends, they end too."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

from deployers.process.records import Folder
from domain.replicas import ReplicaId

_STEP = 0.1
_LAST_WORD = 5.0
"""Seconds the system gets to clear away what was killed."""


async def stop_leftovers(state_dir: Path, patience: float) -> int:
    """End every model server started from this state, and say how many there were.

    Each gets `patience` seconds to end by itself. Safe to call when there are none. Only for
    when the bot has ended: it would start them again.
    """
    found = _living(state_dir)
    for replica in found:
        replica.remember_stopping()
    await _end(state_dir, signal.SIGTERM, patience)
    await _end(state_dir, signal.SIGKILL, _LAST_WORD)
    return len(found)


async def _end(state_dir: Path, number: signal.Signals, patience: float) -> None:
    """Signal each living server once, and wait until none lives or the time is up."""
    told: set[int] = set()
    for _ in range(max(1, round(patience / _STEP))):
        living = _living(state_dir)
        if not living:
            return
        for pid in {replica.pid for replica in living if replica.pid} - told:
            told.add(pid)
            with suppress(ProcessLookupError):
                os.kill(pid, number)
        await asyncio.sleep(_STEP)


def _living(state_dir: Path) -> list[Folder]:
    """Replicas whose lock somebody holds. A pid nobody vouches for may be anybody's by now."""
    found = []
    for lock in state_dir.glob("targets/*/*/*/lock"):
        with suppress(ValueError):
            folder = Folder(lock.parents[2], ReplicaId.parse(lock.parent.name))
            if folder.held:
                found.append(folder)
    return found
