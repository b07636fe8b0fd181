"""Looking at many services at once: by one look for many of them, where a target offers that."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from deployers.protocol import Deployer, Overview
from domain.errors import OpsError, Unreachable
from domain.replicas import Observed
from fleet.looking import Outcome, observe, outcome, silent

PORTION = 100
"""Services that one look is for. Of a target that takes its time some are known by then, and while
a thousand are read from files, others get their turn."""

T = TypeVar("T")

Spot = tuple[str, str]
"""A target and a service that is placed there."""


async def overview(
    deployers: Mapping[str, Deployer], spots: Iterable[Spot], patience: float | None
) -> dict[Spot, Outcome]:
    """What is seen at each of the spots, or why nothing could be.

    Every target gets `patience` seconds; None for as long as it takes. Those of its services that
    it told of by then are told.
    """
    looks = [
        _look(deployers, target, portion, patience)
        for target, services in _by_target(spots).items()
        for portion in portions(services)
    ]
    found: dict[Spot, Outcome] = {}
    for each in await asyncio.gather(*looks):
        found |= each
    return found


async def together(
    deployers: Mapping[str, Deployer], spots: Iterable[Spot], patience: float
) -> dict[Spot, Observed]:
    """What is seen at those of the spots that targets tell of by one look for many, within so many
    seconds. Why nothing is seen at another, a look at it tells."""
    found: dict[Spot, Observed] = {}

    async def tell(target: str, deployer: Deployer, services: Sequence[str]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                for service, each in (await _at_once(deployer, services)).items():
                    if isinstance(each, Observed):
                        found[(target, service)] = each

    looks = [
        tell(target, deployer, portion)
        for target, services in _by_target(spots).items()
        if (deployer := deployers.get(target)) is not None
        for portion in portions(services)
    ]
    await asyncio.gather(*looks)
    return found


async def _look(
    deployers: Mapping[str, Deployer],
    target: str,
    services: Sequence[str],
    patience: float | None,
) -> dict[Spot, Outcome]:
    told: dict[str, Outcome] = {}
    try:
        async with asyncio.timeout(patience):
            await _tell(deployers, target, services, told)
    except TimeoutError:
        late = silent(target, patience)
        told |= {service: late for service in services if service not in told}
    return {(target, service): told[service] for service in services}


async def _tell(
    deployers: Mapping[str, Deployer],
    target: str,
    services: Sequence[str],
    told: dict[str, Outcome],
) -> None:
    """Write down what comes to be known, as it does: somebody may stop waiting for the rest."""
    deployer = deployers.get(target)
    if deployer is not None:
        told |= await _at_once(deployer, services)

    async def tell(service: str) -> None:
        told[service] = await outcome(observe(deployers, target, service))

    await asyncio.gather(*(tell(service) for service in services if service not in told))


async def _at_once(deployer: Deployer, services: Collection[str]) -> Mapping[str, Outcome]:
    """Nothing of a target that offers no such look, and of one that answered it with a no: which
    service that is about, is found one by one. Nor of a single one."""
    if len(services) == 1:
        return {}
    try:
        return await deployer.observe_all(services) if isinstance(deployer, Overview) else {}
    except Unreachable as error:
        return dict.fromkeys(services, error)
    except OpsError:
        return {}


def _by_target(spots: Iterable[Spot]) -> dict[str, list[str]]:
    services: dict[str, list[str]] = {}
    for target, service in spots:
        services.setdefault(target, []).append(service)
    return services


def portions(services: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many at a time as one look is for."""
    return (services[begin : begin + PORTION] for begin in range(0, len(services), PORTION))
