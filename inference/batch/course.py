"""Asks everything a batch has to ask: a little at a time, and again where nobody was to blame."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from domain.clock import Clock
from domain.errors import Unreachable
from domain.usage import Fault
from inference.asking import Models, Told
from inference.batch.lines import Line
from inference.endpoints import Endpoint
from inference.gateway.misses import LATER
from inference.retry_after import later, seconds

TRIES, LOST = 8, 2
"""How often one request is put again where the answer was that it is too early, and where the
connection was lost: it may be that very request that brings a server down."""

FIRST_PAUSE, LONGEST_PAUSE = 2.0, 60.0
"""Seconds for which everything waits after an answer was 429 or 503, or nobody was there, unless
`Retry-After` says something between them."""

GIVEN_UP = 600.0
"""Seconds without any answer, nobody being there, after which the batch ends."""

LOOK = 0.1
"""Seconds between two looks whether there is room for one more."""


class GaveUp(Unreachable):
    """Nobody was there for too long."""


@dataclass
class Course:
    """One batch on its way."""

    name: str
    """Who is asked."""
    owner: str
    models: Models
    clock: Clock
    took: Callable[[Line, Told], None]
    """Told of each request that came to an end. Quick."""
    news: Callable[[], None]
    """Told whenever something else is waited for, or nothing any more. Quick."""
    settled: Callable[[], Awaitable[None]]
    """Waited for before each request: until what was told can be held."""
    waits: str = field(default="", init=False)
    """What is waited for, in words; "" while answers come."""
    _left: deque[Line] = field(default_factory=deque)
    _flying: int = 0
    _tried: dict[int, int] = field(default_factory=dict)
    _news: asyncio.Event = field(default_factory=asyncio.Event)
    _not_before: float = 0.0
    _pauses: int = 0
    """In a row."""
    _trouble_since: float | None = None
    """When nobody was there for the first time since anybody was."""

    async def run(self, lines: Sequence[Line]) -> None:
        """Ask them all. Cancelled, it leaves at once what is under way.

        Raises UnknownName once the name leads nowhere, and GaveUp when nobody was there for too
        long.
        """
        self._left.extend(lines)
        try:
            async with asyncio.TaskGroup() as group:
                while await self._more():
                    await self.settled()
                    endpoint = await self._room()
                    line = self._left.popleft()
                    self._flying += 1
                    name = f"batch line {line.number}"
                    task = group.create_task(self._ask(line, endpoint), name=name)
                    task.add_done_callback(partial(self._landed, endpoint))
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from errors

    async def _more(self) -> bool:
        """Whether there is something left to ask; waits for what is under way and may be back."""
        while not self._left and self._flying:
            self._news.clear()
            await self._news.wait()
        return bool(self._left)

    async def _room(self) -> Endpoint:
        """Wait until one more may be asked, and by whom."""
        while True:
            wait = self._not_before - self.clock.monotonic()
            if wait <= 0:
                goal = self.models.goal(self.name)
                if (endpoint := self.models.share.take(goal)) is not None:
                    return endpoint
                self._heed(self.models.share.following(goal))
            await self._look(min(wait, LOOK) if wait > 0 else LOOK)

    def _heed(self, following: Endpoint | None) -> None:
        """Nobody has room: because they have much to do, or because there is nobody?"""
        if following is not None:
            if self.models.outlook.condition(following).breaker.closed:
                self._trouble_since = None  # somebody is there, be it for others
            self._wait_for(self.waits or ("" if self._flying else "others come first"))
            return
        self._wait_for(f"waiting for {self.name} to get ready")
        self._suffer(f"{self.name} had no ready replica")

    async def _look(self, seconds: float) -> None:
        """Wait, or less if an answer comes."""
        self._news.clear()
        nap = asyncio.create_task(self.clock.sleep(seconds))
        news = asyncio.create_task(self._news.wait())
        try:
            await asyncio.wait({nap, news}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            nap.cancel()
            news.cancel()

    async def _ask(self, line: Line, endpoint: Endpoint) -> None:
        asked, goal = line.asked(self.name), self.models.goal(self.name)
        told = await self.models.put(asked, goal, endpoint, owner=self.owner)
        if self._comes_back(line, told):
            self._left.appendleft(line)
        else:
            self._tried.pop(line.number, None)
            self.took(line, told)

    def _landed(self, endpoint: Endpoint, task: asyncio.Task[None]) -> None:
        """However it ended, and even if it never began."""
        self.models.share.give_back(endpoint)
        self._flying -= 1
        self._news.set()

    def _comes_back(self, line: Line, told: Told) -> bool:
        """Whether it is to be asked again, later."""
        if told.away:
            self._pause(told)
            self._wait_for(f"{self.name} does not answer")
            self._suffer(f"{self.name} did not answer")
            return True
        self._trouble_since = None
        lost = told.fault is Fault.UNREACHABLE
        if not (lost or told.fault is Fault.BUSY or told.answer.status in LATER):
            self._pauses, self.waits = 0, ""  # who is told of the answer is told of this as well
            return False
        self._pause(told)
        self._wait_for(f"{self.name} {'lost connections' if lost else 'asks for patience'}")
        self._tried[line.number] = self._tried.get(line.number, 0) + 1
        return self._tried[line.number] <= (LOST if lost else TRIES)

    def _pause(self, told: Told) -> None:
        """Ask nothing for a while; what failed together counts once."""
        now = self.clock.monotonic()
        if now < self._not_before:
            return
        pause = FIRST_PAUSE * 2 ** min(self._pauses, 10)
        said = later(told.answer.headers)
        wished = max(seconds(said, self.clock.now()), FIRST_PAUSE) if said is not None else pause
        self._not_before = now + min(wished, LONGEST_PAUSE)
        self._pauses += 1

    def _wait_for(self, what: str) -> None:
        if what != self.waits:
            self.waits = what
            self.news()

    def _suffer(self, why: str) -> None:
        """Nobody is there. Raises GaveUp when that has gone on for too long."""
        now = self.clock.monotonic()
        if self._trouble_since is None:
            self._trouble_since = now
        if now - self._trouble_since > GIVEN_UP:
            raise GaveUp(f"{why} for {GIVEN_UP / 60:.0f} minutes", hint="ask the rest again later")
