"""A target in moods: well, slow, hanging, blocking, or away."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

from deployers.protocol import Capabilities, LogLine
from deployers.rehearsal import RehearsalDeployer
from domain.errors import Unreachable
from domain.replicas import ReplicaId
from domain.targets import RehearsalTarget
from tests.fleet.world import Time, spec


class _Moody:
    """Keeps the contract of a rehearsal, but for what its mood does to its looks.

    `well`; `slow`: answers when it is let go; `hangs`: never answers, and can be cancelled;
    `blocks`: the same in a thread, which nothing ends; anything else is why it is not reachable.
    """

    def __init__(self, name: str, folder, clock: Time) -> None:
        settings = RehearsalTarget(kind="rehearsal", pace=1)
        self.real = RehearsalDeployer(name, settings, folder / name, clock)
        self.clock = clock
        self.mood, self.error, self.unusable = "well", Unreachable, ""
        self.asked = self.waiting = self.threads = 0
        self._released, self._unblocked = asyncio.Event(), threading.Event()

    @property
    def capabilities(self) -> Capabilities:
        return self.real.capabilities

    def replica(self) -> ReplicaId:
        return ReplicaId("tiny", spec().revision, 0)

    def let_go(self) -> None:
        """What is slow or blocked goes on."""
        self._released.set()
        self._unblocked.set()

    async def inspect(self):
        await self.feels()
        facts = await self.real.inspect()
        return replace(facts, reachable=False, note=self.unusable) if self.unusable else facts

    async def observe(self, service):
        await self.feels()
        return await self.real.observe(service)

    def plan(self, *words):
        return self.real.plan(*words)

    async def need(self, want):
        await self.feels()
        return await self.real.need(want)

    async def apply(self, plan, report):
        await self.real.apply(plan, report)

    async def logs(self, replica, *, tail, follow):
        await self.feels()
        async for line in self.real.logs(replica, tail=tail, follow=follow):
            yield LogLine(replica, line.text)

    async def aclose(self):
        await self.real.aclose()

    async def feels(self) -> None:
        self.asked += 1
        mood = self.mood
        if mood == "well":
            return
        if mood == "blocks":
            await asyncio.to_thread(self._block)
        elif mood in ("slow", "hangs"):
            self.waiting += 1
            try:
                await (self._released.wait() if mood == "slow" else asyncio.Event().wait())
            finally:
                self.waiting -= 1
        else:
            raise self.error(mood, "see to it")

    def _block(self) -> None:
        self.threads += 1
        self._unblocked.wait()
        self.threads -= 1


class _Obliging(_Moody):
    async def foretell(self, want):
        await self.feels()
        return (f"somebody else's {want.name} runs",)

    async def foresee(self, want):
        return await self.real.foresee(want)

    async def observe_all(self, services):
        await self.feels()
        return await self.real.observe_all(services)


def Moody(name: str, folder, clock: Time, *, obliging: bool = True) -> _Moody:  # noqa: N802
    """One that offers what a rehearsal does, or no more than it must."""
    return (_Obliging if obliging else _Moody)(name, folder, clock)
