"""The steps of a rolling replacement on a host, where each replica is started by itself."""

from __future__ import annotations

from domain.amounts import memory
from domain.plans import Fingerprint, Plan, Step, StepKind
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
