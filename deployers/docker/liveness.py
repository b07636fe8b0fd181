"""Whether containers still have the graphics cards they were given.

A container loses them when systemd reloads its units while Docker uses its cgroup driver, and when
a driver is updated under it: `nvidia-smi` inside then says `Failed to initialize NVML: Unknown
Error` (NVIDIA container toolkit, troubleshooting: "Containers losing access to GPUs").
"""

from __future__ import annotations

import asyncio
import re

from deployers.docker.api import Answer, Api, Gone
from deployers.docker.container import HARDWARE
from deployers.docker.diagnosis import diagnose
from deployers.docker.looking import Seen, seen
from domain.clock import Clock
from domain.errors import Failure

EVERY = 60.0
"""Seconds between two looks."""

PATIENCE = 20.0
"""Seconds `nvidia-smi` may take."""

SILENCE = 600.0
"""Seconds in which one where it took longer is not asked again."""

ASK = ["nvidia-smi", "-L"]

_CARD = re.compile(r"^GPU \d+: ", re.MULTILINE)
_LOST = re.compile(
    r"^.*(?:Failed to initialize NVML|GPU is lost|No devices were found).*$",
    re.MULTILINE | re.IGNORECASE,
)


def verdict(answer: str) -> str | None:
    """The line of `nvidia-smi -L` by which a container has lost its cards; None where it has one,
    and where nothing can be told, as in an image without that program. Pure."""
    told = _LOST.search(answer)
    return None if told is None or _CARD.search(answer) else told[0].strip()


class Liveness:
    """Asks in containers; remembers which have lost their cards, for as long as they are there."""

    def __init__(self, api: Api, clock: Clock) -> None:
        self._api, self._clock = api, clock
        self._lost: dict[str, Failure] = {}
        self._silent: dict[str, float] = {}
        """Containers in which nothing came back, and when they may be asked again: what hangs on
        a card cannot be ended."""

    def failure(self, container: str) -> Failure | None:
        """Why a container that runs is as good as dead; None while nothing of the kind is known."""
        return self._lost.get(container)

    def forget(self, container: str) -> None:
        """It is gone."""
        self._lost.pop(container, None)
        self._silent.pop(container, None)

    async def look(self) -> list[tuple[Seen, Failure]]:
        """Ask in every container with cards. Returns those that lost them since the last look."""
        there = [seen(each) for each in await self._api.containers(**{HARDWARE: "cuda"})]
        asked = [s for s in there if s and s.status == "running" and self._is_open(s.id)]
        told = await asyncio.gather(*(self._ask(each) for each in asked))
        found = [(each, failure) for each, failure in zip(asked, told, strict=True) if failure]
        self._lost |= {each.id: failure for each, failure in found}
        return found

    def _is_open(self, container: str) -> bool:
        again = self._silent.get(container, 0.0)
        return container not in self._lost and self._clock.monotonic() >= again

    async def _ask(self, found: Seen) -> Failure | None:
        try:
            async with asyncio.timeout(PATIENCE):
                _, answer = await self._api.run(found.id, ASK)
        except TimeoutError:
            self._silent[found.id] = self._clock.monotonic() + SILENCE
            return None
        except (Gone, Answer):
            return None
        line = verdict(answer)
        return diagnose(None, (line,)) if line else None
