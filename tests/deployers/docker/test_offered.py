"""What an engine offers is asked once a change, and not for good."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployers.docker.offered import FRESH, Offered
from tests.fleet.world import Time


class Engine:
    """Says what it is told to say."""

    def __init__(self) -> None:
        self.runtimes: tuple[str, ...] = ()

    async def info(self) -> Mapping[str, Any]:
        return {"Runtimes": {name: {} for name in self.runtimes}}


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

    offered.note(None)

    assert await offered.trouble() is None
