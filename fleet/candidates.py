"""Where a service could run: every target asked at once what it would come to there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deployers.protocol import Deployer
from domain.errors import OpsError
from domain.fit import Fit
from domain.moments import measured
from domain.replicas import TargetFacts
from domain.services import Placement, ServiceSpec

PATIENCE = 8.0
"""Seconds each target gets to answer."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One target, for one service that would be new there."""

    target: str
    facts: TargetFacts | None = None
    """None where it did not answer."""
    fit: Fit | None = None
    """None where need or room cannot be told."""
    trouble: str = ""
    """Why it cannot run there, or was not asked."""

    @property
    def fits(self) -> bool:
        """Whether it is known to fit."""
        return not self.trouble and self.fit is not None and self.fit.fits


async def candidates(
    deployers: Mapping[str, Deployer],
    want: ServiceSpec,
    targets: Iterable[str],
    patience: float = PATIENCE,
) -> list[Candidate]:
    """What that many replicas would come to on each of the targets, beside what runs there."""
    asked = [_candidate(deployers[t], want, t, patience) for t in targets if t in deployers]
    return list(await asyncio.gather(*asked))


async def _candidate(
    deployer: Deployer, want: ServiceSpec, target: str, patience: float
) -> Candidate:
    there = want.model_copy(
        update={"placements": (Placement(target=target, replicas=max(1, want.replicas)),)}
    )
    try:
        async with asyncio.timeout(patience):
            facts = await deployer.inspect()
            if not facts.reachable:
                return Candidate(target, facts, trouble=facts.note or "it cannot be reached")
            seen = await deployer.observe(want.name)
            plan = deployer.plan(there, seen, facts, "where")
            need = await deployer.need(there)
            return Candidate(target, facts, measured(plan, need, facts))
    except TimeoutError:
        return Candidate(target, trouble=f"no answer within {patience:.0f} s")
    except OpsError as error:
        return Candidate(target, trouble=error.summary)
