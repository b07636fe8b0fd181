"""What looking at a large fleet takes, inside the bot, and how that grows."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence

from bench.measures import Book, Bound, Figure, Measure, quantile
from bench.room import Tell

SIZES = (100, 300, 1000)
"""Services, of three replicas each."""

PERIOD = 30.0
"""Seconds between two looks of the keeper."""

_LOOKS = 20
_FLOOR = "reading the same files"

Run = Mapping[str, Sequence[float]]
"""What `bench.fleet_run` tells of one size."""


def bench_fleet(book: Book, tell: Tell) -> None:
    """`!status`, the keeper and the memory at each size; the bounds are for the largest."""
    runs: dict[int, Run] = {}
    for services in SIZES:
        tell(f"{services} services: {_LOOKS} times !status ...")
        runs[services] = _run(services)
        _note(book, services, runs[services], bounded=services == SIZES[-1])
    _note_growth(book, runs)


def _run(services: int) -> Run:
    """In a process of its own, so that its memory is that of this size alone."""
    argv = [sys.executable, "-m", "bench.fleet_run", str(services), str(_LOOKS)]
    told = subprocess.run(argv, check=True, capture_output=True, text=True)  # noqa: S603
    run: Run = json.loads(told.stdout)
    return run


def _note(book: Book, services: int, run: Run, *, bounded: bool) -> None:
    where = f"fleet.{services}"
    for share in (0.5, 0.95):
        name, (ours, floor) = f"{where}.status_p{share * 100:.0f}", (run["status"], run["floor"])
        bound = Bound(slack=200) if bounded and share > 0.5 else None
        figures = (_milliseconds(ours, share), _milliseconds(floor, share))
        book.note(Measure(name, "ms", len(ours), *figures, _FLOOR, bound))
    cpu = _milliseconds(run["status_cpu"], 0.5)
    book.note(Measure(f"{where}.status_cpu", "ms", len(run["status_cpu"]), cpu))
    core = Figure.median([seconds / PERIOD * 100 for seconds in run["keeper"]])
    limit = Bound(slack=10) if bounded else None
    book.note(Measure(f"{where}.keeper", "% of a core", len(run["keeper"]), core, bound=limit))


def _note_growth(book: Book, runs: Mapping[int, Run]) -> None:
    """From the smallest to the largest: memory for each service more, and how much more time a
    service takes there than here (1 where it grows linearly)."""
    few, many = min(runs), max(runs)
    more = runs[many]["memory"][0] - runs[few]["memory"][0]
    memory = Figure(more / (many - few) / 1000)
    book.note(Measure("fleet.memory", "kB/service", 1, memory, bound=Bound(slack=20)))
    for what in ("status_cpu", "keeper"):
        each = [quantile(runs[size][what], 0.5) / size * 1e6 for size in (many, few)]
        peer, against = Figure(each[1]), f"with {few}"
        bound = Bound(factor=1.5)
        name = f"fleet.{what}_each"
        book.note(Measure(name, "us/service", len(runs), Figure(each[0]), peer, against, bound))


def _milliseconds(seconds: Sequence[float], share: float) -> Figure:
    return Figure(quantile(seconds, share) * 1000, (min(seconds) * 1000, max(seconds) * 1000))
