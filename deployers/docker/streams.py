"""A blocking stream, read in a thread of its own, for asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from typing import TypeVar

Item = TypeVar("Item")

AHEAD = 64
"""Items read before anybody asked for them."""


class _End:
    """The last item: why there are no more."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error


async def streamed(begin: Callable[[], Iterator[Item]]) -> AsyncIterator[Item]:
    """Every item of what `begin` opens. Raises whatever that raises.

    A reader that stops asking closes the stream, which ends the thread. Any number may be read at
    once: no pool is used up.
    """
    loop = asyncio.get_running_loop()
    queue: asyncio.Queue[Item | _End] = asyncio.Queue()
    room = threading.Semaphore(AHEAD)
    opened: list[Iterator[Item]] = []
    left = threading.Event()

    def tell(item: Item | _End) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(queue.put_nowait, item)

    def read() -> None:
        error: Exception | None = None
        try:
            opened.append(begin())
            for item in opened[0]:
                room.acquire()
                if left.is_set():
                    break
                tell(item)
        except Exception as caught:  # noqa: BLE001  handed on to whoever reads
            error = caught
        tell(_End(error))
        if left.is_set():
            _close(opened)

    threading.Thread(target=read, name="docker-stream", daemon=True).start()
    try:
        while not isinstance(item := await queue.get(), _End):
            room.release()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        left.set()
        room.release()
        _close(opened)


def _close(opened: list[Iterator[Item]]) -> None:
    for stream in opened:
        close = getattr(stream, "close", None)
        if close is not None:
            # A generator may be being read right now, and a socket may be gone.
            with suppress(ValueError, OSError):
                close()
