"""What an engine says of itself is asked once a change, and not for good."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from deployers.docker.offered import FRESH, JUST_NOW, Offered
from domain.errors import Unreachable
from tests.fleet.world import Time


class Engine:
    """Says what it is told to say, while it is there."""

    def __init__(self) -> None:
        self.runtimes: tuple[str, ...] = ()
        self.there = True
        self.asked: list[str] = []

    async def info(self) -> Mapping[str, Any]:
        self._answers("info")
        return {"Runtimes": {name: {} for name in self.runtimes}}

    async def ping(self) -> None:
        self._answers("ping")

    def _answers(self, what: str) -> None:
        self.asked.append(what)
        if not self.there:
            raise Unreachable("nobody listens")


async def test_what_was_said_a_moment_ago_counts_and_then_is_asked_anew():
    engine, clock = Engine(), Time()
    offered = Offered(engine, clock)  # type: ignore[arg-type]
    assert "no NVIDIA runtime" in str(await offered.trouble())

    engine.runtimes = ("nvidia",)
    clock.passes(FRESH - 1)
    assert "no NVIDIA runtime" in str(await offered.trouble())
    clock.passes(1)
    assert await offered.trouble() is None


async def test_what_a_plan_was_made_from_is_what_its_steps_go_by():
    engine, clock = Engine(), Time()
    offered = Offered(engine, clock)  # type: ignore[arg-type]
    assert await offered.trouble()
    clock.passes(JUST_NOW)
    engine.runtimes = ("nvidia",)

    await offered.said()

    clock.passes(FRESH - 1)
    assert await offered.trouble() is None


async def test_an_engine_that_has_just_told_all_is_only_asked_whether_it_is_there():
    engine, clock = Engine(), Time()
    offered = Offered(engine, clock)  # type: ignore[arg-type]

    first = await offered.said()
    assert await offered.said() == first
    clock.passes(JUST_NOW)
    await offered.said()

    assert engine.asked == ["info", "ping", "info"]


async def test_one_that_went_away_meanwhile_is_not_taken_for_reachable():
    engine, clock = Engine(), Time()
    offered = Offered(engine, clock)  # type: ignore[arg-type]
    await offered.said()

    engine.there = False

    with pytest.raises(Unreachable):
        await offered.said()
