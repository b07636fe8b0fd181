"""The steps of a replacement on a host, where each replica is started by itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from domain.amounts import memory
from domain.plans import Fingerprint, Plan, Step, StepKind, Strategy
from domain.replicas import Observed, ReplicaId
from domain.services import ServiceSpec


def rolling(
    want: ServiceSpec, have: Observed, operation: str, warnings: tuple[str, ...] = ()
) -> Plan:
    """Start and admit each new replica before one old replica is drained and stopped.

    What already runs as wanted is kept. With nothing wanted, everything is drained and stopped.
    """
    wanted = [ReplicaId(want.name, want.revision, n) for n in range(want.replicas_on(have.target))]
    surplus = [replica.id for replica in have.alive if replica.id not in wanted]
    ready = {replica.id for replica in have.ready}
    steps: list[Step] = []
    if any(replica not in ready for replica in wanted):
        steps.append(Step(StepKind.PREFETCH))
    for replica in wanted:
        steps += _bring_up(replica, ready=replica in ready)
        if surplus and replica not in ready:
            steps += _take_down(surplus.pop(0))
    for replica in surplus:
        steps += _take_down(replica)
    steps.append(Step(StepKind.VERIFY))
    return Plan(operation, have.target, want, tuple(steps), Fingerprint.of(have), warnings)


def stop_first(plan: Plan, why: str, *, every: bool = False) -> Plan:
    """The same plan with old replicas stopped before the new ones that replace them are started.

    One after the other, so that the rest goes on serving; or `every` one before the first start.
    The weights are fetched before anything is stopped, and what runs as wanted stays.
    """
    starts = [step.replica for step in plan.steps if step.kind is StepKind.START]
    down = {step.replica: step for step in plan.steps if step.kind is StepKind.STOP}
    gone = [_of(plan, replica) for replica in down]
    new = [_of(plan, replica) for replica in starts]
    moved = {*starts, *down}
    rest = [step for step in plan.steps if step.replica is None or step.replica not in moved]
    last = [step for step in rest if step.kind in _LAST]
    steps = [step for step in rest if step.kind not in _LAST]
    first = len(gone) if every else 0
    steps += [step for group in gone[:first] for step in group]
    for group in _alternating(gone[first:], new):
        steps += group
    return replace(plan, steps=(*steps, *last), strategy=Strategy.RECREATE, why=why)


_LAST = (StepKind.VERIFY, StepKind.FORGET)


def _of(plan: Plan, replica: ReplicaId | None) -> list[Step]:
    return [step for step in plan.steps if step.replica == replica]


def _alternating(gone: list[list[Step]], new: list[list[Step]]) -> Iterator[list[Step]]:
    for at in range(max(len(gone), len(new))):
        yield from gone[at : at + 1]
        yield from new[at : at + 1]


def unkept(want: ServiceSpec, target: str) -> tuple[str, ...]:
    """What a target that limits nothing has to warn of."""
    limits = [f"{want.cpus:g} cores"] if want.cpus else []
    limits += [memory(want.memory)] if want.memory else []
    if not limits:
        return ()
    return (f"it may use more than {' and '.join(limits)}: {target} keeps no limits",)


def _bring_up(replica: ReplicaId, *, ready: bool) -> list[Step]:
    kinds = [StepKind.WAIT_READY, StepKind.ADMIT]
    return [Step(kind, replica) for kind in (kinds if ready else [StepKind.START, *kinds])]


def _take_down(replica: ReplicaId) -> list[Step]:
    return [Step(StepKind.DRAIN, replica), Step(StepKind.STOP, replica)]
