"""Not waiting for ever: for work that does not end when told to, and for targets that say nothing.

A task that is told to end may refuse: a library that swallows cancellation, a wait that nothing
interrupts. Nothing can kill it then. It is left to itself, held on to so that its end is noted in
the log, and whoever waited goes on and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import structlog

from domain.errors import Unreachable
from domain.progress import Progress, Report

T = TypeVar("T")

PATIENCE = 30.0
"""Seconds that work gets to end once it was told to."""

log = structlog.get_logger()


class LeftAlone:
    """Tasks that were told to end and did not. Keeps them from being collected half-way."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def end(self, task: asyncio.Task[Any], seconds: float) -> bool:
        """Tell it to end and wait, but no longer than that. Whether it did; else it is left."""
        task.cancel()
        await asyncio.wait({task}, timeout=seconds)
        if task.done():
            _noticed(task)
            return True
        self._tasks.add(task)
        task.add_done_callback(self._came_to_its_end)
        log.error("does not end", task=task.get_name(), after=seconds)
        return False

    def _came_to_its_end(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        _noticed(task)
        log.info("ended at last", task=task.get_name())


class Hearing:
    """Work that is waited for as long as something is heard of it."""

    def __init__(self, left: LeftAlone, patience: float) -> None:
        self._left, self._patience = left, patience

    async def of(
        self,
        target: str,
        work: Callable[[Report], Coroutine[Any, Any, T]],
        report: Report,
        silence: float,
    ) -> T:
        """Do the work, handing on what it reports.

        Raises Unreachable after `silence` seconds without a report; the work is told to end then.
        """
        loop = asyncio.get_running_loop()
        heard = loop.time()

        def hear(news: Progress) -> None:
            nonlocal heard
            heard = loop.time()
            report(news)

        task = asyncio.create_task(work(hear), name=f"put back on {target}")
        try:
            while not task.done():
                left = heard + silence - loop.time()
                if left <= 0:
                    raise Unreachable(unanswered(target, silence))
                await asyncio.wait({task}, timeout=left)
            return task.result()
        finally:
            if not task.done():
                await self._left.end(task, self._patience)


def unanswered(target: str, seconds: float) -> str:
    """What is said of a target that did not answer."""
    return (
        f"{target} did not answer within {seconds:.0f} s; what it was doing there may still happen"
    )


def _noticed(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
