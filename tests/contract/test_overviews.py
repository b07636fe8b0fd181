"""The promise of an optional protocol: one look for many services tells what one for each does."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

import pytest

from deployers.protocol import Deployer, Overview
from domain.errors import Unhealthy
from domain.replicas import Observed, Phase, Replica
from domain.services import ServiceSpec
from tests.contract.stages import Stage, bring

NOBODY = "nobody"
"""A name that no target ever heard of."""


class Overlooking(Deployer, Overview, Protocol):
    """A deployer that offers the look."""


@pytest.fixture
def deployer(stage: Stage) -> Overlooking:
    return opened(stage)


def opened(stage: Stage) -> Overlooking:
    made = stage.open()
    if not isinstance(made, Overview):
        pytest.skip(f"{stage.kind} offers no look for many services")
    return made  # type: ignore[return-value]


def named(want: ServiceSpec, name: str) -> ServiceSpec:
    return want.model_copy(update={"name": name})


Told = dict[str, tuple[str, str, tuple[Replica, ...]]]


def told(seen: Mapping[str, Observed]) -> Told:
    """All that was seen but when."""
    return {name: (each.service, each.target, each.replicas) for name, each in seen.items()}


async def one_by_one(deployer: Deployer, *services: str) -> Told:
    return told({service: await deployer.observe(service) for service in services})


def phases(seen: Mapping[str, Observed]) -> dict[str, list[Phase]]:
    return {name: sorted(replica.phase for replica in each.replicas) for name, each in seen.items()}


async def test_each_is_told_as_by_a_look_at_it_and_an_unknown_one_as_not_there(
    stage: Stage, deployer: Overlooking
):
    await bring(deployer, named(stage.good(2), "well"))
    await bring(deployer, named(stage.good(), "well-1"))
    for name in ("ill", "well-1"):
        with pytest.raises(Unhealthy):
            await bring(deployer, named(stage.broken(), name))
    services = ("well", "well-1", "ill", NOBODY)

    seen = await deployer.observe_all(services)

    assert told(seen) == await one_by_one(deployer, *services)
    assert phases(seen) == {
        "well": [Phase.READY, Phase.READY],
        "well-1": [Phase.FAILED, Phase.READY],
        "ill": [Phase.FAILED],
        NOBODY: [],
    }


async def test_only_those_that_were_asked_about_are_told(stage: Stage, deployer: Overlooking):
    await bring(deployer, named(stage.good(), "well"))
    await bring(deployer, named(stage.good(), "other"))

    assert list(await deployer.observe_all(["well"])) == ["well"]
    assert await deployer.observe_all([]) == {}
    assert phases(await deployer.observe_all([NOBODY])) == {NOBODY: []}


async def test_what_a_new_deployer_leaves_out_is_told_once_it_was_looked_at(stage: Stage):
    first = opened(stage)
    await bring(first, named(stage.good(), "well"))
    await first.aclose()
    services = ("well", NOBODY)

    second = opened(stage)
    at_first = await second.observe_all(services)
    each = await one_by_one(second, *services)
    after = await second.observe_all(services)

    assert NOBODY in at_first
    assert told(at_first) == {name: each[name] for name in at_first}
    assert told(after) == each
    assert phases(after)["well"] == [Phase.READY]


async def test_it_may_be_asked_while_something_changes(stage: Stage, deployer: Overlooking):
    """What comes and goes meanwhile is there or is not."""
    steady = await bring(deployer, named(stage.good(), "steady"))
    services = ("steady", "tiny")
    looks = 0

    async def watch() -> None:
        nonlocal looks
        while True:
            seen = await deployer.observe_all(services)
            assert seen["steady"].replicas == steady.replicas
            looks += 1
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch(), name="watch")
    await bring(deployer, stage.good(2))
    await bring(deployer, stage.good(0))
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching

    assert looks
    assert told(await deployer.observe_all(services)) == await one_by_one(deployer, *services)
