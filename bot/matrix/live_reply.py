"""One message per operation, edited as it grows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from bot.matrix.content import Content
from bot.matrix.outbox import Outbox
from commands.replies import Block
from domain.clock import Clock
from domain.progress import Progress
from fleet.store.database import Store

log = structlog.get_logger()

PATIENCE = 0.3
"""Seconds an operation may take before there is any need to say that it runs."""

SILENCE = 3.0
"""Seconds to wait for news before the time that passed is shown without any."""

SHORTEST = 2.0
SHARE = 5.0
"""Edits come every 2 s at first, then whenever a fifth more time has passed: about 30 in a
20-minute operation."""


def interval(elapsed: float) -> float:
    """Seconds to wait between edits when the operation has run this long."""
    return max(SHORTEST, elapsed / SHARE)


class LiveReply:
    """Shows how an operation is getting on. Reporting to it returns at once."""

    def __init__(
        self,
        key: str,
        room: str,
        show: Callable[[Progress, float], Sequence[Block]],
        render: Callable[[Sequence[Block]], Content],
        outbox: Outbox,
        store: Store,
        clock: Clock,
    ) -> None:
        self._key = key
        self._room = room
        self._show = show
        self._render = render
        self._outbox = outbox
        self._store = store
        self._clock = clock
        self._started = clock.monotonic()
        self._news: Progress | None = None
        self._fresh = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def report(self, news: Progress) -> None:
        """Take the latest news. What nobody saw yet is replaced by it."""
        self._news = news
        self._fresh.set()
        if self._task is None:
            self._task = asyncio.create_task(self._live(), name=f"live {self._key}")

    @property
    def news(self) -> Progress | None:
        """The latest that was reported, shown or not."""
        return self._news

    async def stop(self) -> None:
        """Show no more progress: the end is coming."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            if not self._task.cancelled() and (error := self._task.exception()):
                log.error("progress was not shown", key=self._key, exc_info=error)

    async def _live(self) -> None:
        await self._clock.sleep(PATIENCE)
        async with self._store.transaction() as tx:
            message = await tx.messages.want(self._key, self._room, self._content())
        self._outbox.deliver(message, final=False)
        while True:
            await self._clock.sleep(interval(self._clock.monotonic() - self._started))
            with suppress(TimeoutError):
                async with asyncio.timeout(SILENCE):  # `wait_for` may miss being cancelled
                    await self._fresh.wait()
            self._outbox.show(self._key, self._room, self._content())

    def _content(self) -> Content:
        self._fresh.clear()
        news = self._news or Progress("")
        return self._render(self._show(news, self._clock.monotonic() - self._started))
