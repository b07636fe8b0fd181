"""Several looks at once, of which some find nobody there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Mapping, Sequence
from typing import Any

from deployers.protocol import Deployer, Hurried
from domain.errors import OpsError, Unreachable
from domain.replicas import Observed
from domain.services import ServiceSpec

Outcome = Observed | OpsError
"""What was seen, or why nothing could be."""


async def observe(
    deployers: Mapping[str, Deployer], target: str, service: str, patience: float | None = None
) -> Observed:
    """Look at a service on a target for that many seconds, or for as long as it takes.

    Raises Unreachable, too, for a target that is no longer configured.
    """
    deployer = deployers.get(target)
    if deployer is None:
        raise Unreachable(
            f"{service} is placed on `{target}`, which is no longer configured",
            hint="put the target back",
        )
    try:
        async with asyncio.timeout(patience):
            return await deployer.observe(service)
    except TimeoutError as error:
        raise silent(target, patience) from error


def silent(target: str, patience: float | None) -> Unreachable:
    """Say that a target took longer than it was waited for, in seconds."""
    return Unreachable(f"{target} has not answered within {patience or 0:g} s")


async def outcome(look: Awaitable[Observed]) -> Outcome:
    """A look whose error is returned."""
    try:
        return await look
    except OpsError as error:
        return error


async def at_once(
    looks: Sequence[Coroutine[Any, Any, Outcome]],
) -> list[Outcome]:
    """All of them; a single one needs no task of its own, and there may be a thousand such."""
    if len(looks) == 1:
        return [await looks[0]]
    return list(await asyncio.gather(*looks))


def parted(answers: Sequence[Outcome]) -> tuple[list[Observed], list[OpsError]]:
    """What was seen, and why the rest could not be."""
    seen = [each for each in answers if isinstance(each, Observed)]
    return seen, [each for each in answers if isinstance(each, OpsError)]


def hurry(deployer: Deployer) -> None:
    """Have the next look at a target ask it, if something stands before it that might not."""
    if isinstance(deployer, Hurried):
        deployer.hurry()


def targets_of(spec: ServiceSpec) -> tuple[str, ...]:
    """The targets it is placed on, in the order it names them."""
    return tuple(placement.target for placement in spec.placements)
