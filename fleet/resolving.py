"""What a service is really made of, asked of its targets once a change has worked."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import structlog

from deployers.protocol import Deployer, Foresight
from domain.errors import OpsError
from domain.made_of import MadeOf, differences
from domain.replicas import Observed
from domain.services import ServiceSpec

PATIENCE = 10.0
"""Seconds a target gets to tell. A change that worked is not kept waiting for longer."""

log = structlog.get_logger()


_NOBODY: Mapping[str, Observed] = MappingProxyType({})


async def resolved(
    deployers: Mapping[str, Deployer],
    want: ServiceSpec,
    admitted: Mapping[str, Observed] = _NOBODY,
) -> MadeOf:
    """What the newest replicas were made of, the first target's first. Empty if none can tell.

    A target of which its newest replica was seen as it was `admitted` is not asked again: what a
    replica is made of stays as it is.
    """
    told = []
    for placement in want.placements:
        seen = admitted.get(placement.target)
        if placement.replicas and seen and (made := newest(seen, want.revision)):
            told.append((placement.target, made))
        elif placement.replicas and placement.target in deployers:
            try:
                async with asyncio.timeout(PATIENCE):
                    seen = await deployers[placement.target].observe(want.name)
            except (OpsError, TimeoutError) as error:
                log.warning("not resolved", target=placement.target, why=str(error))
                continue
            told.append((placement.target, newest(seen, want.revision)))
    return merged(told)


async def foreseen(deployers: Mapping[str, object], want: ServiceSpec) -> MadeOf:
    """What it would be made of if it were started now, as far as the targets can tell."""
    told = []
    for target in (placement.target for placement in want.placements):
        deployer = deployers.get(target)
        if isinstance(deployer, Foresight):
            told.append((target, await deployer.foresee(want)))
    return merged(told)


def newest(seen: Observed, revision: str) -> MadeOf:
    """What the replica that became ready last was made of. Pure."""
    ready = [each for each in seen.ready if each.id.revision == revision and each.made_of]
    last = max(ready, key=lambda each: (each.since or _LONG_AGO, each.id), default=None)
    return last.made_of if last else ()


def merged(told: list[tuple[str, MadeOf]]) -> MadeOf:
    """One telling of several targets': what another has otherwise is named with it. Pure."""
    told = [each for each in told if each[1]]
    if not told:
        return ()
    _, first = told[0]
    others = [
        (f"{what} on {target}", which)
        for target, made in told[1:]
        for what, _, which in differences(first, made)
    ]
    return (*first, *others)


_LONG_AGO = datetime.min.replace(tzinfo=UTC)
