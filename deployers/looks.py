"""Looks at one target: a few at once, each waited for no longer than its deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from dataclasses import dataclass
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


@dataclass(slots=True)
class _Look:
    key: Hashable
    answer: asyncio.Future[Any]
    ended: Ended
    deadline: float
    under_way: bool = False
    task: asyncio.Task[Any] | None = None
    timer: asyncio.TimerHandle | None = None


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
        self._answers: dict[Hashable, asyncio.Future[Any]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._let_go = LET_GO

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
        answer = self._answers.get(key)
        if answer is None:
            answer = self._begin(key, call, ended, deadline)
        found: T = await asyncio.shield(answer)
        return found

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
    ) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        look = _Look(key, loop.create_future(), ended, deadline)
        self._answers[key] = look.answer
        look.task = loop.create_task(self._under_way(look, call), name=f"look at {self._target}")
        self._tasks.add(look.task)
        look.timer = loop.call_later(deadline, self._overdue, look, look.task)
        look.task.add_done_callback(lambda task: self._done(look, task))
        return look.answer

    async def _under_way(self, look: _Look, call: Callable[[], Coroutine[Any, Any, T]]) -> T:
        async with self._slots:
            look.under_way = True
            return await call()

    def _overdue(self, look: _Look, task: asyncio.Task[Any]) -> None:
        text = f"{self._target} did not answer within {look.deadline:g} s"
        self._settle(look, None, Unreachable(text))
        if look.under_way:
            wait = self._let_go * look.deadline
            look.timer = asyncio.get_running_loop().call_later(wait, self._give_up, task)
        else:
            task.cancel()

    def _give_up(self, task: asyncio.Task[Any]) -> None:
        self._let_go *= 2
        task.cancel()

    def _done(self, look: _Look, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if look.timer is not None:
            look.timer.cancel()
        if task.cancelled():
            self._settle(look, None, Unreachable(f"{self._target} is not looked at any more"))
        else:
            error = task.exception()
            self._settle(look, None if error else task.result(), error)

    def _settle(self, look: _Look, found: Any, error: BaseException | None) -> None:
        """Only the first time: what an overdue look still finds is of no use to anybody."""
        if look.answer.done():
            return
        if self._answers.get(look.key) is look.answer:
            del self._answers[look.key]
        if error is None:
            self._let_go = LET_GO
            look.answer.set_result(found)
        else:
            look.answer.set_exception(error)
            look.answer.exception()  # nobody may be left to hear it
        look.ended(found, error)
