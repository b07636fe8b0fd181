"""When a service has nobody to answer while a change is made, by what is alive now. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from domain.plans import StepKind
from fleet.rollout import Rollout


@dataclass(frozen=True, slots=True)
class Gap:
    """Steps of a rollout, counted from 1, between which nobody answers."""

    since: int
    until: int | None
    """None where nobody does at the end."""


def gap(rollout: Rollout) -> Gap | None:
    """The first one in which a service that runs now does not serve."""
    alive = {(p.target, replica) for p in rollout.plans for replica in p.fingerprint.alive}
    since = None
    if not alive:
        return None
    for number, (plan, step) in enumerate(rollout.steps, 1):
        place = (plan.target, str(step.replica))
        if step.kind is StepKind.ADMIT:
            if since:
                return Gap(since, number)
            alive.add(place)
        elif step.kind in (StepKind.DRAIN, StepKind.STOP):
            alive.discard(place)
            since = since or (None if alive else number)
    return Gap(since, None) if since else None
