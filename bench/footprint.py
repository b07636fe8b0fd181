"""What Gantry takes while it does nothing, and how long it takes to begin."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.measures import Book, Bound, Figure, Measure
from bench.pings import Answers
from bench.room import Tell
from bench.stage import Bot, Stage

_SETTLE = 5.0
_PINGS, _IN_FLIGHT = 600, 20
_NOTHING = [sys.executable, "-c", "pass"]
_HOUSE = [sys.executable, "-c", "import sys; sys.modules['xllamacpp'] = None; import bot.house"]
"""As without the extras: what the engine brings is not to be had."""


async def bench_memory(book: Book, stage: Stage, tell: Tell) -> None:
    """Resident memory, idle: as started, and after having been busy."""
    answers = Answers(stage.caller)
    await asyncio.sleep(_SETTLE)
    _note_memory(book, stage, "memory.idle")
    for bot in (stage.gantry, stage.echo):
        tell(f"{bot.name}: {_PINGS} pings ...")
        await answers.chunk(bot.room, _PINGS, _IN_FLIGHT)
    await asyncio.sleep(_SETTLE)
    _note_memory(book, stage, f"memory.after_{_PINGS}_pings")


def bench_start(book: Book, tell: Tell, times: int) -> None:
    """How long the smallest command takes, and loading all of the bot, extras left out."""
    gantry = Path(sys.executable).with_name("gantry")
    version = [str(gantry)] if gantry.exists() else [sys.executable, "-m", "bot"]
    for name, argv, seconds in (
        ("start.version", [*version, "version"], 0.3),
        ("start.import_house", _HOUSE, 1.0),
    ):
        tell(f"{name}: {times} times ...")
        ours, floor = _alternately(argv, _NOTHING, times)
        bound = Bound(slack=seconds)
        peer = Figure.median(floor)
        book.note(Measure(name, "s", times, Figure.median(ours), peer, "python -c pass", bound))


def _note_memory(book: Book, stage: Stage, name: str) -> None:
    ours, peer = _resident(stage.gantry), _resident(stage.echo)
    book.note(Measure(name, "MB", 1, ours, peer, stage.echo.name, Bound(slack=120)))


def _resident(bot: Bot) -> Figure:
    return Figure(bot.process.memory_info().rss / 1e6)


def _alternately(
    ours: Sequence[str], floor: Sequence[str], times: int
) -> tuple[list[float], list[float]]:
    """Wall seconds of each, taken in turns; the first of each only warms the caches."""
    pairs = [(_seconds(ours), _seconds(floor)) for _ in range(times + 1)][1:]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def _seconds(argv: Sequence[str]) -> float:
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    begun = time.perf_counter()
    subprocess.run(argv, env=kept, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    return time.perf_counter() - begun
