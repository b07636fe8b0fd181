"""Several looks at once, of which some find nobody there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine, Iterable, Sequence
from typing import Any

from deployers.protocol import Deployer, Hurried
from domain.errors import Unreachable
from domain.replicas import Observed
from domain.services import ServiceSpec

Outcome = Observed | Unreachable
"""What was seen, or why nothing could be."""


async def outcome(look: Awaitable[Observed]) -> Outcome:
    """A look that does not raise Unreachable but returns it."""
    try:
        return await look
    except Unreachable as error:
        return error


async def at_once(
    looks: Sequence[Coroutine[Any, Any, Outcome]],
) -> list[Outcome]:
    """All of them; a single one needs no task of its own, and there may be a thousand such."""
    if len(looks) == 1:
        return [await looks[0]]
    return list(await asyncio.gather(*looks))


def parted(
    answers: Iterable[Observed | BaseException],
) -> tuple[list[Observed], list[Unreachable]]:
    """What was seen, and what could not be. Raises what is neither."""
    seen: list[Observed] = []
    silent: list[Unreachable] = []
    for answer in answers:
        if isinstance(answer, Observed):
            seen.append(answer)
        elif isinstance(answer, Unreachable):
            silent.append(answer)
        else:
            raise answer
    return seen, silent


def hurry(deployer: Deployer) -> None:
    """Have the next look at a target ask it, if something stands before it that might not."""
    if isinstance(deployer, Hurried):
        deployer.hurry()


def targets_of(spec: ServiceSpec) -> tuple[str, ...]:
    """The targets it is placed on, in the order it names them."""
    return tuple(placement.target for placement in spec.placements)
