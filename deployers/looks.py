"""Looks at one target: a few at once, each waited for no longer than its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, TypeVar

from domain.errors import Unreachable

T = TypeVar("T")

AT_ONCE = 4
"""Looks at one target that may be under way. The others wait, within their deadlines."""

LET_GO = 10
"""Deadlines after which a look that nobody waits for any more is told to end; twice as many for the
next one, until a look is answered again."""

Ended = Callable[[Any, BaseException | None], None]
"""(what a look came to, or what it raised): told once, also of one that is overdue."""


class _Look:
    """One that is being made, and who waits for what it comes to."""

    __slots__ = ("deadline", "ended", "key", "settled", "task", "timer", "under_way", "waiting")

    def __init__(self, key: Hashable, ended: Ended, deadline: float) -> None:
        self.key, self.ended, self.deadline = key, ended, deadline
        self.waiting: list[asyncio.Future[Any]] = []
        self.under_way = self.settled = False
        self.task: asyncio.Task[Any] | None = None
        self.timer: asyncio.TimerHandle | None = None


class Looks:
    """Has the same asked only once at a time: whoever asks it meanwhile gets the same answer.

    A look that is overdue is given up, not ended: one that blocks a thread cannot be. It goes on
    counting among those at once until it has really ended, so that a target that never answers
    holds a few threads and no more. In case it waits for something else, it is told to end after
    ten times its deadline; a call in a thread needs a timeout of its own that is shorter than that,
    or its thread is left behind, ever more rarely.
    """

    def __init__(self, target: str, at_once: int = AT_ONCE) -> None:
        self._target = target
        self._slots = asyncio.Semaphore(at_once)
        self._looks: dict[Hashable, _Look] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._let_go = LET_GO
        self._running: asyncio.AbstractEventLoop | None = None

    @property
    def _loop(self) -> asyncio.AbstractEventLoop:
        """The one it is used in; it may be made before any runs."""
        if self._running is None:
            self._running = asyncio.get_running_loop()
        return self._running

    async def at(
        self,
        key: Hashable,
        call: Callable[[], Coroutine[Any, Any, T]],
        ended: Ended,
        deadline: float,
    ) -> T:
        """What the call returns or raises; that of another caller if one is under way by that key.

        Raises Unreachable after `deadline` seconds. Cancelling leaves the look to the others.
        """
        look = self._looks.get(key) or self._begin(key, call, ended, deadline)
        answer: asyncio.Future[T] = self._loop.create_future()
        look.waiting.append(answer)
        return await answer

    async def aclose(self) -> None:
        """Tell all of them to end, and wait a moment."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=1.0)

    def _begin(
        self,
        key: Hashable,
        call: Callable[[], Coroutine[Any, Any, Any]],
        ended: Ended,
        deadline: float,
    ) -> _Look:
        self._looks[key] = look = _Look(key, ended, deadline)
        look.task = self._loop.create_task(self._make(look, call))
        self._tasks.add(look.task)
        look.task.add_done_callback(partial(self._made, look))
        look.timer = self._loop.call_later(deadline, self._overdue, look)
        return look

    async def _make(self, look: _Look, call: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async with self._slots:
            look.under_way = True
            return await call()

    def _made(self, look: _Look, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if look.timer is not None:
            look.timer.cancel()
        look.task = look.timer = None  # nothing is left in a circle
        if task.cancelled():
            self._settle(look, None, Unreachable(f"{self._target} is not looked at any more"))
        else:
            error = task.exception()
            self._settle(look, None if error else task.result(), error)

    def _overdue(self, look: _Look) -> None:
        text = f"{self._target} did not answer within {look.deadline:g} s"
        self._settle(look, None, Unreachable(text))
        if look.task is not None and look.under_way:
            wait = self._let_go * look.deadline
            look.timer = self._loop.call_later(wait, self._give_up, look.task)
        elif look.task is not None:
            look.task.cancel()

    def _give_up(self, task: asyncio.Task[Any]) -> None:
        self._let_go *= 2
        task.cancel()

    def _settle(self, look: _Look, found: Any, error: BaseException | None) -> None:
        """Only the first time: what an overdue look still finds is of no use to anybody."""
        if look.settled:
            return
        look.settled = True
        del self._looks[look.key]
        look.ended(found, error)
        if error is None:
            self._let_go = LET_GO
        for answer in look.waiting:
            if answer.done():
                continue
            if error is None:
                answer.set_result(found)
            else:
                answer.set_exception(error)
