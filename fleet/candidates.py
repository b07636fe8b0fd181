"""Where a service could run: every target asked at once what it would come to there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from deployers.protocol import Deployer, Stock, Stocked
from domain.errors import OpsError
from domain.fit import Fit
from domain.moments import measured
from domain.replicas import Observed, TargetFacts
from domain.services import Placement, ServiceSpec

PATIENCE = 12.0
"""Seconds each target gets to answer, a hub that it asks included."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One target, for one service that would be new there."""

    target: str
    facts: TargetFacts | None = None
    """None where it did not answer."""
    fit: Fit | None = None
    """None where need or room cannot be told."""
    stock: Stocked | None = None
    """What of the model is there; None where the target does not tell."""
    trouble: str = ""
    """Why it cannot run there, or was not asked."""

    @property
    def fits(self) -> bool:
        """Whether it is known to fit."""
        return not self.trouble and self.fit is not None and self.fit.fits

    @property
    def on_card(self) -> bool:
        """Whether it would use a graphics card."""
        return self.fit.on_card if self.fit else bool(self.facts and self.facts.gpus)


async def candidates(
    deployers: Mapping[str, Deployer],
    want: ServiceSpec,
    targets: Iterable[str],
    patience: float = PATIENCE,
) -> list[Candidate]:
    """What that many replicas would come to on each of the targets, beside all that runs there."""
    asked = [_candidate(deployers[t], want, t, patience) for t in targets if t in deployers]
    return list(await asyncio.gather(*asked))


async def _candidate(
    deployer: Deployer, want: ServiceSpec, target: str, patience: float
) -> Candidate:
    place = Placement(target=target, replicas=max(1, want.replicas))
    there = want.model_copy(update={"placements": (place,)})
    try:
        async with asyncio.timeout(patience):
            facts = await deployer.inspect()
            if not facts.reachable:
                return Candidate(target, facts, trouble=facts.note or "it cannot be reached")
            plan = deployer.plan(there, Observed(want.name, target, _NEVER), facts, "where")
            need, stock = await asyncio.gather(deployer.need(there), _stock(deployer, there))
    except TimeoutError:
        return Candidate(target, trouble=f"no answer within {patience:.0f} s")
    except OpsError as error:
        return Candidate(target, trouble=error.summary)
    fit = measured(plan, need, facts)
    return Candidate(target, facts, fit, stock, _missing(stock, facts))


async def _stock(deployer: Deployer, there: ServiceSpec) -> Stocked | None:
    return await deployer.stock(there) if isinstance(deployer, Stock) else None


def _missing(stock: Stocked | None, facts: TargetFacts) -> str:
    """Why the weights are not to be had there."""
    if stock is None or stock.here:
        return ""
    if stock.trouble:
        return stock.trouble
    if stock.size and facts.disk_free is not None and stock.size > facts.disk_free:
        size, free = stock.size / 1e9, facts.disk_free / 1e9
        return f"its disk is too small: {size:.1f} GB to fetch, {free:.1f} GB free"
    return ""


_NEVER = datetime.min.replace(tzinfo=UTC)
