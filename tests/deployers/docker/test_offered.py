"""What an engine says of itself is asked once a change, and not for good."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from deployers.docker import hardware
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


BOTH = ("nvidia.com/gpu=GPU-9a", "nvidia.com/gpu=1", "nvidia.com/gpu=0", "nvidia.com/gpu=GPU-1d")
EVERY = "nvidia.com/gpu=all"


@pytest.mark.parametrize(
    ("count", "offered", "asked"),
    [
        (-1, (*BOTH, EVERY), (EVERY,)),
        (-1, BOTH, ("nvidia.com/gpu=0", "nvidia.com/gpu=1")),
        (1, (*BOTH, EVERY), ("nvidia.com/gpu=0",)),
        (2, ("nvidia.com/gpu=10", "nvidia.com/gpu=9"), ("nvidia.com/gpu=9", "nvidia.com/gpu=10")),
        (1, ("nvidia.com/gpu=GPU-9a", EVERY), ("nvidia.com/gpu=GPU-9a",)),
        (2, ("nvidia.com/gpu=0", EVERY), ("nvidia.com/gpu=0", "nvidia.com/gpu=1")),
        (2, (), ()),
        (0, (EVERY,), ()),
    ],
)
def test_cards_are_asked_for_by_the_names_that_are_offered(count, offered, asked):
    assert hardware.by_name(count, offered) == asked


def test_devices_of_others_are_no_cards():
    info = {"DiscoveredDevices": [{"ID": "nvidia.com/gpu=0"}, {"ID": "nvidia.com/gpu-x=0"}, {}]}
    assert hardware.devices(info) == ("nvidia.com/gpu=0",)
    assert hardware.devices({"DiscoveredDevices": None}) == ()
