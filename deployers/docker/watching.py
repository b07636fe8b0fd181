"""Listening to an engine: what happens to replicas by itself, told as incidents."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Coroutine
from datetime import datetime, timedelta
from typing import Any

from deployers.docker import failures
from deployers.docker.api import Api, Gone
from deployers.docker.container import SERVICE
from deployers.docker.diagnosis import diagnose
from deployers.docker.events import HEARD, WINDOW, Event, Happening, Story, event
from deployers.docker.liveness import EVERY, Liveness
from deployers.docker.looking import Seen, seen
from deployers.docker.telling import incident, lost_card
from deployers.docker.waiting import Readiness
from domain.clock import Clock
from domain.incidents import Incident, Kind

_BREATH = 1.0
"""Seconds before a stream that ended is taken up again, and until it is plain whether the kernel
ended the replica or only a process in it."""

_KILLED = 137
"""The exit code of what was ended by SIGKILL."""

_REMEMBERED = 1000
"""Containers of which it is known that we ended them ourselves."""


class Watching:
    """One engine, listened to."""

    def __init__(
        self, name: str, api: Api, readiness: Readiness, liveness: Liveness, clock: Clock
    ) -> None:
        self._name, self._api, self._clock = name, api, clock
        self._readiness, self._liveness = readiness, liveness
        self._ours: deque[str] = deque(maxlen=_REMEMBERED)

    def ended(self, container: str) -> None:
        """We end this one ourselves: nothing that becomes of it is an incident."""
        self._ours.append(container)

    async def incidents(self, since: datetime) -> AsyncGenerator[Incident, None]:
        """As `Watchful` promises. Raises Unreachable."""
        found: asyncio.Queue[Incident | Exception] = asyncio.Queue()
        tasks = [
            asyncio.create_task(_handing_on(work, found), name=f"{what} of {self._name}")
            for what, work in (("events", self._hear(since, found)), ("cards", self._feel(found)))
        ]
        try:
            while not isinstance(each := await found.get(), Exception):
                yield each
            raise each
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _hear(self, since: datetime, found: asyncio.Queue[Incident | Exception]) -> None:
        """Follow the engine's events from so far before that what they mean is understood.

        A stream that ends without an error was cut off, as when an SSH session dies: it is taken
        up again behind the last event.
        """
        stories: defaultdict[str, Story] = defaultdict(Story)
        last = int((since - WINDOW).timestamp() * 1e9)
        while True:
            async for raw in self._api.events(last // 10**9, SERVICE, HEARD):
                each = event(raw)
                if each is None or each.nanoseconds <= last:
                    continue
                last = each.nanoseconds
                told = await self._make(each, stories[each.container], since)
                if told is not None:
                    found.put_nowait(told)
            await self._clock.sleep(_BREATH)

    async def _make(self, each: Event, story: Story, since: datetime) -> Incident | None:
        """The incident that an event amounts to, if it does and was not told by then."""
        ready = False
        if each.healthy is False:
            there = await self._find(each.container)
            ready = there is not None and self._readiness.knows(there)
        happening = story.hears(each, ready=ready)
        if happening is None or each.at <= since or each.container in self._ours:
            return None
        if happening.kind is Kind.OUT_OF_MEMORY and each.action == "oom":
            await self._clock.sleep(_BREATH)
        there = await self._find(each.container)
        if there is None or not there.served or each.container in self._ours:
            return None  # gone, or never ready: whoever ended or started it is told
        if each.action == "oom" and not _outlived(there, each):
            return None  # that it died is told by itself
        return await self._describe(happening, there, starved=story.starved(each.at))

    async def _describe(
        self, happening: Happening, there: Seen, *, starved: bool
    ) -> Incident | None:
        at = happening.event.at
        try:
            log = await self._api.last_words(there.id, failures.LINES, until=at)
        except Gone:
            return None
        code = happening.event.exit_code
        killed = starved or (there.out_of_memory and code == _KILLED)
        failure = diagnose(code, log, out_of_memory=killed)
        return incident(happening, there, failure, self._name)

    async def _feel(self, found: asyncio.Queue[Incident | Exception]) -> None:
        """Ask for the cards, every so often."""
        while True:
            for there, failure in await self._liveness.look():
                found.put_nowait(lost_card(there, failure, self._name, self._clock.now()))
            await self._clock.sleep(EVERY)

    async def _find(self, container: str) -> Seen | None:
        try:
            return seen(await self._api.container(container))
        except Gone:
            return None


def _outlived(there: Seen, each: Event) -> bool:
    """Whether the very run of it goes on that an event was about."""
    moment = timedelta(milliseconds=1)
    return there.runs and there.started is not None and there.started <= each.at + moment


async def _handing_on(
    work: Coroutine[Any, Any, None], found: asyncio.Queue[Incident | Exception]
) -> None:
    try:
        await work
    except Exception as error:  # noqa: BLE001  handed on to whoever listens
        found.put_nowait(error)
