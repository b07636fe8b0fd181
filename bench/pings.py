"""Asks a bot for pongs, so many at a time, and keeps what came of each."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bench.caller import Talker

PATIENCE = 30.0
"""Seconds after which an answer counts as lost, unless it still comes before the bench ends."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """What came of one uninterrupted row of pings."""

    asked: tuple[str, ...]
    """Their event ids."""
    latencies: tuple[float, ...]
    """Seconds from sending to having read the answer, of those that were answered in time."""
    seconds: float
    """From the first sending to the last answer."""


class Answers:
    """Which messages were answered, when first, and how often."""

    def __init__(self, caller: Talker) -> None:
        self._caller = caller
        self._first: dict[str, float] = {}
        self._count: Counter[str] = Counter()
        self._waiting: dict[str, asyncio.Future[float]] = {}
        caller.listen(self._hear)

    async def chunk(self, room: str, pings: int, in_flight: int) -> Chunk:
        """Say `!ping` that often, never more than `in_flight` at once unanswered."""
        asked: list[str] = []
        latencies: list[float] = []
        turns = iter(range(pings))
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(self._ask(room, turns, asked, latencies))
        return Chunk(tuple(asked), tuple(latencies), time.perf_counter() - begun)

    def lost(self, chunks: list[Chunk]) -> int:
        """How many pings of these were never answered."""
        return sum(self._count[event] == 0 for chunk in chunks for event in chunk.asked)

    def duplicates(self, chunks: list[Chunk]) -> int:
        """How many answers to these were one too many."""
        return sum(max(0, self._count[event] - 1) for chunk in chunks for event in chunk.asked)

    async def _ask(
        self, room: str, turns: Iterator[int], asked: list[str], latencies: list[float]
    ) -> None:
        for _ in turns:
            begun = time.perf_counter()
            event = await self._caller.say(room, "!ping")
            asked.append(event)
            answered = await self._answered(event)
            if answered is not None:
                latencies.append(answered - begun)

    async def _answered(self, event: str) -> float | None:
        if event in self._first:  # the answer can overtake the homeserver's receipt
            return self._first[event]
        waiting = self._waiting[event] = asyncio.get_running_loop().create_future()
        try:
            return await asyncio.wait_for(waiting, PATIENCE)
        except TimeoutError:
            return None
        finally:
            self._waiting.pop(event, None)

    def _hear(self, event: Mapping[str, Any], at: float) -> None:
        relation = event["content"].get("m.relates_to", {}).get("m.in_reply_to")
        if relation is None or event["sender"] == self._caller.user_id:
            return
        question = relation["event_id"]
        self._count[question] += 1
        self._first.setdefault(question, at)
        waiting = self._waiting.get(question)
        if waiting is not None and not waiting.done():
            waiting.set_result(at)
