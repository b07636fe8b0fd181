"""One change to one service, as it was planned. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pydantic import TypeAdapter

from domain.plans import Plan, Step, StepKind
from domain.services import ServiceSpec


@dataclass(frozen=True, slots=True)
class Rollout:
    """One change to one service: a plan for each target, those that gain replicas first."""

    want: ServiceSpec
    before: ServiceSpec | None
    """What was wanted before, and is put back if the change fails; None for nothing."""
    plans: tuple[Plan, ...]
    removal: bool = False
    settled: bool = False
    """Made true and written down as what is wanted: all that is left is to tell of it."""

    @property
    def steps(self) -> tuple[tuple[Plan, Step], ...]:
        """Every step with the plan it belongs to, in order: no replica of any target is touched
        before all have what they need."""
        return (*self.fetching, *self.moving)

    @property
    def fetching(self) -> tuple[tuple[Plan, Step], ...]:
        """Those that touch no replica. They may take long, and are in nobody's way."""
        return tuple((p, step) for p, step in self._all if step.kind is StepKind.PREFETCH)

    @property
    def moving(self) -> tuple[tuple[Plan, Step], ...]:
        """All the others."""
        return tuple((p, step) for p, step in self._all if step.kind is not StepKind.PREFETCH)

    @property
    def contended(self) -> frozenset[str]:
        """Targets on which nobody else may start anything meanwhile: where replicas come or go,
        if any come. What only stops takes nothing from anybody."""
        if not any(plan.started for plan in self.plans):
            return frozenset()
        return frozenset(plan.target for plan in self.plans if plan.started or plan.stopped)

    @property
    def _all(self) -> Iterator[tuple[Plan, Step]]:
        return ((plan, step) for plan in self.plans for step in plan.steps)

    @property
    def id(self) -> str:
        """Eight hex digits over all that is to be done and what it was planned from. What people
        approve goes by it."""
        parts = [_in_full(self.want), self.before and _in_full(self.before)]
        for plan in self.plans:
            steps, alive = [str(step) for step in plan.steps], sorted(plan.fingerprint.alive)
            parts.append(json.dumps([plan.operation, plan.target, steps, alive]))
        text = json.dumps([*parts, self.removal])
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def by(self, operation: str) -> Rollout:
        """The same, carried out by another operation."""
        plans = tuple(replace(plan, operation=operation) for plan in self.plans)
        return replace(self, plans=plans)

    def to_json(self) -> str:
        """As the store keeps it."""
        return _ROLLOUT.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Rollout:
        """As the store kept it."""
        return _ROLLOUT.validate_json(text)


def _in_full(spec: ServiceSpec) -> str:
    """All that is said of it, so that a field that a later release adds changes no id: what waits
    for approval over an upgrade goes on."""
    return spec.model_dump_json(exclude_defaults=True)


_ROLLOUT = TypeAdapter(Rollout)
