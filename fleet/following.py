"""Following what the replicas of a service write, over targets that come and go."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from deployers.protocol import LogLine
from domain.clock import Clock
from domain.errors import UnknownName, Unreachable
from domain.replicas import Observed, Phase, Replica, ReplicaId
from fleet.overlap import unseen
from fleet.survey import Survey
from inference.endpoints import Place

LOOK_EVERY = 1.0
"""Seconds between two looks at what became of the replicas."""

REMEMBERED = 500
"""Lines of a replica by which it is found where its log goes on."""

_BREATH = 100
"""Lines after which others get their turn, however fast they come."""

_ENDED = (Phase.STOPPED, Phase.FAILED)


class Listener(Protocol):
    """Who hears. Both return at once and never raise."""

    def line(self, line: LogLine) -> None:
        """A replica wrote this."""
        ...

    def note(self, text: str) -> None:
        """Something happened to a replica, or to its target."""
        ...


@dataclass(slots=True)
class _Strand:
    """One replica's log."""

    told: deque[str] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    reading: asyncio.Task[None] | None = None
    read_to_its_end: bool = False
    """Whether the reading began when the replica had ended."""
    over: bool = False
    trouble: str = ""


class Following:
    """Hands on the last lines of each replica of a service and then every new one.

    A stream that ends proves nothing: connections die without an error. So it is looked whether the
    replica lives. If it does, its log is read on from where it stopped; if not, that is told.
    """

    def __init__(
        self, survey: Survey, clock: Clock, name: str, tail: int, listener: Listener
    ) -> None:
        self._survey, self._clock, self._name = survey, clock, name
        self._tail, self._listener = tail, listener
        self._strands: dict[Place, _Strand] = {}
        self._silent: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def find(self) -> None:
        """See that there is something to follow. Raises UnknownName when there is no such service
        and no target remembers one."""
        seen, _ = await self._survey.everywhere(self._name)
        if not any(each.replicas for each in seen.values()):
            await self._survey.wanted(self._name)

    async def run(self) -> None:
        """Follow until nothing lives any more that could write, and nobody changes that."""
        seen, silent = await self._survey.everywhere(self._name)
        try:
            while self._look(seen, silent):
                await self._clock.sleep(LOOK_EVERY)
                among = {target for target, _ in self._strands}
                seen, silent = await self._survey.everywhere(self._name, among)
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    def _look(self, seen: dict[str, Observed], silent: dict[str, str]) -> bool:
        """Attend to every replica. Whether there is anything left to wait for."""
        self._tell_silent(silent)
        for target, each in seen.items():
            for replica in each.replicas:
                self._attend(replica)
            for (where, name), strand in self._strands.items():
                if where == target and not strand.over and each.find(name) is None:
                    self._end(strand, f"{name} is gone")
        open_ = any(not strand.over for strand in self._strands.values())
        return bool(open_ or silent or self._survey.holder(self._name))

    def _tell_silent(self, silent: dict[str, str]) -> None:
        for target in silent.keys() - self._silent.keys():
            self._listener.note(silent[target])
        for target in self._silent.keys() - silent.keys():
            self._listener.note(f"{target} answers again")
        self._silent = silent
        for (target, _), strand in self._strands.items():
            if target in silent:
                self._leave(strand)

    def _attend(self, replica: Replica) -> None:
        strand = self._strands.setdefault((replica.target, replica.id), _Strand())
        ended = replica.phase in _ENDED
        if strand.over and ended:
            return
        if strand.reading is not None:
            if not strand.reading.done():
                return
            strand.reading.result()
        if ended and strand.read_to_its_end:
            reason = f": {replica.reason}" if replica.reason else ""
            self._end(strand, f"{replica.id} {replica.phase}{reason}")
            return
        strand.over, strand.read_to_its_end = False, ended
        read = self._read(replica.target, replica.id, strand)
        strand.reading = asyncio.create_task(read, name=f"follow {replica.id}")
        self._tasks.add(strand.reading)
        strand.reading.add_done_callback(self._tasks.discard)

    def _end(self, strand: _Strand, text: str) -> None:
        self._leave(strand)
        strand.over = True
        self._listener.note(text)

    def _leave(self, strand: _Strand) -> None:
        if strand.reading is not None:
            strand.reading.cancel()
        strand.reading = None

    async def _read(self, target: str, replica: ReplicaId, strand: _Strand) -> None:
        try:
            if strand.told:
                await self._catch_up(target, replica, strand)
            if self._survey.follows(target) or not strand.told:
                await self._go_on(target, replica, strand)
        except UnknownName:
            pass  # it went away meanwhile, which the next look tells
        except Unreachable as error:
            if error.summary != strand.trouble:
                self._listener.note(error.summary)
            strand.trouble = error.summary

    async def _catch_up(self, target: str, replica: ReplicaId, strand: _Strand) -> None:
        """Tell what was written since the last line that was told."""
        lines = self._survey.lines(target, replica, tail=REMEMBERED, follow=False)
        kept = [line.text async for line in lines]
        fresh, joins = unseen(tuple(strand.told), kept)
        if not joins:
            self._listener.note(f"lines of {replica} may be missing here")
            strand.told.clear()
        self._hear(replica, strand, fresh)

    async def _go_on(self, target: str, replica: ReplicaId, strand: _Strand) -> None:
        """Tell new lines as they come. The first ones repeat what was told."""
        known, repeated = tuple(strand.told), list[str]()
        follow = self._survey.follows(target)
        tail = len(known) or self._tail
        number = 0
        async for line in self._survey.lines(target, replica, tail=tail, follow=follow):
            number += 1
            if number <= len(known):
                repeated.append(line.text)
                if number == len(known):
                    self._hear(replica, strand, unseen(known, repeated)[0])
            else:
                self._hear(replica, strand, (line.text,))
            if number % _BREATH == 0:
                await asyncio.sleep(0)
        if number < len(known):
            self._hear(replica, strand, unseen(known, repeated)[0])

    def _hear(self, replica: ReplicaId, strand: _Strand, texts: Iterable[str]) -> None:
        for text in texts:
            strand.told.append(text)
            self._listener.line(LogLine(replica, text))
